"""The content of inventory.json: a listing of one or two clusters."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cutover_harness.types import ClusterName

GapKind = Literal["forbidden", "failed", "unknown", "unsupported", "skipped"]
PARTIAL: frozenset[GapKind] = frozenset({"forbidden", "failed", "unknown"})
"""Gaps that make a listing partial: it may lack things that exist. The others were not requested, or cannot be read."""
Stale = Literal["yes", "no", "unknown"]


class Part(BaseModel):
    """Base of all parts."""

    model_config = ConfigDict(extra="forbid")


class Gap(Part):
    """One thing that the listing lacks."""

    cluster: ClusterName | None = Field(description="The cluster that lacks it; null for Connect and statuses.")
    what: str = Field(description="What is not known.")
    kind: GapKind = Field(
        description="forbidden: a right is missing. failed: no answer, or an error. unknown: something may be "
        "hidden, and nothing tells whether it is. unsupported: the cluster or this tool cannot. skipped: an option "
        "leaves it out."
    )
    why: str
    remedy: str = ""
    count: int = Field(default=0, description="How many things are affected; 0 if that is not a number of things.")
    names: list[str] = Field(default=[], description="The first ones of them.")


class ActiveProducer(Part):
    """A producer id with recent state on a topic: idempotent and transactional producers of about the last day."""

    id: int
    epoch: int
    transactional_id: str | None = None
    transactional: bool = False
    partitions: list[int]
    last_write: datetime | None = None


class TopicEntry(Part):
    """A topic. What is null is not known; the gaps contain the reason."""

    name: str
    internal: bool = Field(
        description="It belongs to Kafka, MirrorMaker 2 or AutoMQ by its name, or to kafka-cutover itself."
    )
    partitions: int
    replication: int
    without_leader: int = Field(default=0, description="Partitions without a leader.")
    config: dict[str, str] | None = Field(default=None, description="Properties that are set on the topic itself.")
    compacted: bool | None = None
    timestamps: str | None = Field(
        default=None, description="CreateTime: by producers' clocks. LogAppendTime: by brokers'."
    )
    retention_ms: int | None = Field(default=None, description="-1: unlimited.")
    max_message_bytes: int | None = None
    records: int | None = Field(
        default=None, description="Offsets between start and end of its logs: at most so many records."
    )
    end: int | None = Field(default=None, description="Sum of the end offsets; 0 if nothing was ever written.")
    largest_record: int | None = Field(default=None, description="Bytes of the largest record that was looked at.")
    bytes: int | None = Field(default=None, description="Size of the leaders' logs.")
    bytes_on_disk: int | None = Field(default=None, description="Size of all replicas' logs.")
    first_write: datetime | None = Field(default=None, description="Timestamp of the first record that is still there.")
    last_write: datetime | None = Field(default=None, description="Largest timestamp of its records.")
    written_since: datetime | None = Field(
        default=None, description="Brokers before 3.0: a record has this timestamp, and others may have later ones."
    )
    unwritten_since: datetime | None = Field(
        default=None, description="Brokers before 3.0: no record has this timestamp or a later one."
    )
    times_complete: bool = Field(default=False, description="Both times were read from all of its partitions.")
    grown: int | None = Field(default=None, description="Offsets added during the sample.")
    grown_per_s: float | None = Field(default=None, description="Offsets added per second during the sample.")
    bytes_per_s: float | None = Field(
        default=None, description="Growth of the leaders' logs per second during the sample."
    )
    transactional: bool | None = Field(default=None, description="A recent producer writes in transactions.")
    producers: list[ActiveProducer] | None = None
    writers: list[str] = Field(default=[], description="Shim clients (`shim NAME`) and connectors (`connector NAME`).")
    readers: list[str] = Field(
        default=[], description="Consumer groups that have committed offsets or partitions of it."
    )
    stale: Stale = "unknown"
    stale_why: str = ""


class Member(Part):
    """A member of a consumer group."""

    client_id: str
    host: str
    instance_id: str | None = None
    partitions: int


class GroupTopic(Part):
    """A topic that a group reads: committed offsets, or partitions of a member."""

    topic: str
    committed: int = Field(default=0, description="Partitions with a committed offset.")
    assigned: int = Field(default=0, description="Partitions that members have.")
    lag: int | None = Field(
        default=None, description="Offsets from the committed ones to the ends, where both are known."
    )


class GroupEntry(Part):
    """A consumer group."""

    name: str
    type: str = Field(description="classic, or consumer (KIP-848).")
    state: str
    assignor: str | None = Field(default=None, description="The partition assignor, empty for a group without members.")
    simple: bool = Field(default=False, description="It only commits; its clients assign partitions to themselves.")
    members: list[Member] | None = None
    topics: list[GroupTopic] | None = None
    lag: int | None = None
    commits_moved: bool | None = Field(default=None, description="A committed offset changed during the sample.")
    last_commit: datetime | None = None
    last_change: datetime | None = Field(default=None, description="When members last joined or left.")
    connector: str | None = Field(default=None, description="The sink connector whose group it is.")
    stale: Stale = "unknown"
    stale_why: str = ""


class Acl(Part):
    """An access control list entry."""

    principal: str
    host: str
    permission: str
    operation: str
    resource: str
    name: str
    pattern: str


class Quota(Part):
    """A client quota: entity types with names (null: the default), and limits."""

    entity: dict[str, str | None]
    limits: dict[str, float]


class ClusterListing(Part):
    """One cluster."""

    bootstrap: str
    cluster_id: str | None = None
    kind: str = Field(default="unknown", description="Kafka or AutoMQ, by its finalized features.")
    version: str | None = Field(default=None, description="Kafka's version, as far as the configuration reveals it.")
    brokers: int = 0
    authorizer: bool | None = Field(default=None, description="Whether rights are checked at all.")
    offsets_retention_minutes: int | None = None
    topics: list[TopicEntry] = []
    groups: list[GroupEntry] = []
    acls: list[Acl] | None = None
    quotas: list[Quota] | None = None


class Connector(Part):
    """A connector of a Connect cluster; its configuration is left out, as it may contain secrets."""

    name: str
    type: str = Field(description="source or sink.")
    class_name: str
    state: str
    tasks: dict[str, int] = Field(description="Number of tasks in each state.")
    group: str | None = Field(default=None, description="The consumer group of a sink connector.")
    topics: list[str] | None = Field(
        default=None, description="Topics that it has used since it was last reset (KIP-558)."
    )


class ConnectCluster(Part):
    """A Connect cluster."""

    url: str
    version: str | None = None
    kafka_cluster_id: str | None = None
    cluster: ClusterName | None = Field(default=None, description="The listed cluster that it works on.")
    workers: list[str] = Field(default=[], description="Addresses of workers that run connectors or tasks.")
    connectors: list[Connector] | None = None


class ShimClient(Part):
    """A client of the shim by its status."""

    instance: str
    app: str | None = None
    client_id: str | None = None
    host: str | None = None
    role: str
    group: str | None = None
    channel: str | None = Field(default=None, description="What brought the document that it follows.")
    topics: list[str] = []
    topics_on: dict[ClusterName, list[str]] = Field(
        default={}, description="These topics by the cluster where it uses them, without those of a route on none."
    )
    updated: datetime | None = None
    ended: bool = False


class Listing(Part):
    """The whole file."""

    format: Literal[1] = 1
    created: datetime
    tool: str = Field(description="Version of kafka-cutover.")
    stale_days: float
    sample_s: float = Field(description="Length of the sample of growth and commits; 0: none was taken.")
    partial: bool = Field(description="Something may exist that the listing lacks: see the gaps.")
    clusters: dict[ClusterName, ClusterListing]
    connect: list[ConnectCluster] = []
    clients: list[ShimClient] = []
    gaps: list[Gap] = []
