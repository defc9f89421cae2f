"""The content of plan.yaml: which topics and clients move together, in which order, and how.

A rehearsal, the preflight checks and the cutover itself read the same file. Paths, gates and patterns of topics are
those of scenario files.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from cutover_harness.channels.document import REFERENCE
from cutover_harness.channels.opening import only_references
from cutover_harness.plan.batch import STAYS, WHOLE, Group, Pattern
from cutover_harness.plan.scenario import Gates, Name, PathStep


def _one_principal(principal: str) -> str:
    if principal.endswith(":*"):
        raise ValueError(
            "would deny Write to everyone, also to the reverse mirror of a rollback: name the principals of the "
            "applications"
        )
    return principal


Command = tuple[Annotated[str, Field(min_length=1)], ...]
Client = Annotated[str, Field(pattern=r"^[^\p{C}]+$", max_length=249)]
"""An application by its `cutover.app`, or a producer by its `client.id`."""
Principal = Annotated[str, Field(pattern=r"^[^\s:]+:[^\p{C}]+$", max_length=1024), AfterValidator(_one_principal)]
"""A principal of ACLs: its type, a colon, and its name."""


def _named(name: object) -> object:
    if isinstance(name, str) and (not name.strip() or any(unicodedata.category(sign) == "Cc" for sign in name)):
        raise ValueError("a connector's name is not empty, and has no line break or other control character")
    return name


ConnectorName = Annotated[str, Field(pattern=r"^[^\p{Cc}]*[^\p{Cc}\s][^\p{Cc}]*$"), BeforeValidator(_named)]
"""Connect refuses a name of blanks only, and one with control characters."""
FileName = Annotated[str, Field(min_length=1, max_length=4096)]
"""A file, relative to the folder of the plan; `${NAME}` stands for a variable of the environment."""
PathName = Literal["in-process", "stop-first", "restart", "overlap"]
"""Paths of the catalogue that end on the target."""


SECRET = ("key", "url", "on_stop", "on_start", "on_repoint")
"""Fields of which a person may have written the secret itself: no message shows their values."""


class PlanPart(BaseModel):
    """Base of all parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceCluster(PlanPart):
    """The cluster that applications move away from."""

    properties: FileName = Field(description="Client properties of librdkafka; ${NAME} and ${file:PATH} hold secrets.")


class TargetCluster(SourceCluster):
    """The cluster that they move to."""

    kind: Literal["automq", "kafka"] | None = Field(default=None, description="null: not known yet.")
    version: str | None = Field(
        default=None, pattern=r"^\d+\.\d+(\.\d+)?$", description="Version of AutoMQ, which a cluster does not report."
    )


class Clusters(PlanPart):
    """Both clusters."""

    source: SourceCluster
    target: TargetCluster


class Connect(PlanPart):
    """The Kafka Connect cluster that runs MirrorMaker 2."""

    url: str = Field(pattern=r"^https?://[^\s]+$", description="REST interface; ${NAME} keeps a password out of it.")
    properties: FileName | None = Field(
        default=None, description="Properties of its REST interface: certificates, user and password."
    )


class MovingConnect(Connect):
    """A Kafka Connect cluster whose connectors move to the target."""

    target: Connect | None = Field(
        default=None,
        description="Another Connect cluster, which works on the target; null: this one is pointed to the target.",
    )
    on_repoint: Command | None = Field(
        default=None,
        description="Command that restarts its workers with the bootstrap.servers of CUTOVER_LOCATION; null: a person.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.target is not None and self.on_repoint is not None:
            raise ValueError("target and on_repoint exclude each other: the connectors move to another Connect cluster")
        return self


class ListedBy(PlanPart):
    """The inventory that the plan was made from."""

    file: FileName
    systems: FileName | None = Field(default=None, description="The mapping to business systems that was used with it.")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="Its checksum when it was read.")


class ReachedBy(PlanPart):
    """One channel by which documents reach the clients; exactly one of the three."""

    file: FileName | None = Field(default=None, description="A cutover file.")
    kafka: str | None = Field(default=None, description="A control topic on both clusters.")
    configmap: str | None = Field(default=None, description="A ConfigMap: NAMESPACE/NAME[/KEY].")

    @model_validator(mode="after")
    def _one(self) -> Self:
        ways = {"file": self.file, "kafka": self.kafka, "configmap": self.configmap}
        given = [name for name, value in ways.items() if value is not None]
        if not given:
            raise ValueError("has no channel: add one of file, kafka and configmap")
        if len(given) > 1:
            raise ValueError(f"has {' and '.join(given)}: make an entry of its own of each channel")
        return self

    @property
    def channel(self) -> str:
        """Return the channel as `kafka-cutover file` names it: `file:…`, `kafka:…` or `configmap:…`."""
        for prefix, value in (("file:", self.file), ("kafka:", self.kafka), ("configmap:", self.configmap)):
            if value is not None:
                return prefix + value
        raise AssertionError("validated above")


class Mover(PlanPart):
    """How the clients of a group, or of a producing application, come to the target."""

    moves: Literal["shim", "restart", "connector"] = Field(
        description="shim: in the running process. restart: stopped, and started with the other endpoint. connector: a "
        "connector of Kafka Connect, which is stopped and started on the other cluster."
    )
    connector: ConnectorName | None = Field(
        default=None, description="Name of the connector; only with moves: connector."
    )
    connect: Name | None = Field(
        default=None, description="The Connect cluster that runs it, one of connect_clusters; only with connector."
    )
    instances: int | None = Field(
        default=None, ge=1, le=10_000, description="How many members or producers there are; null: not known."
    )
    on_stop: Command | None = Field(default=None, description="Command that stops them; only with moves: restart.")
    on_start: Command | None = Field(default=None, description="Command that starts them with the target's endpoint.")
    within_s: float = Field(
        default=600.0, gt=0, le=86_400, description="Seconds that stopping or starting them may take."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.moves == "connector" and self.connector is None:
            raise ValueError("moves: connector needs the connector's name: add connector: NAME, or move it otherwise")
        if self.moves != "connector" and self.connector is not None:
            raise ValueError(
                f"connector is set, and moves is {self.moves}: write moves: connector, or leave connector out"
            )
        if self.moves != "connector" and self.connect is not None:
            raise ValueError(f"connect is set, and moves is {self.moves}: write moves: connector, or leave connect out")
        if self.moves != "restart" and (self.on_stop or self.on_start):
            raise ValueError(
                "on_stop and on_start are for moves: restart"
                + ("; on_repoint of its Connect cluster moves a connector" if self.moves == "connector" else "")
            )
        return self


class Estimate(PlanPart):
    """What `kafka-cutover plan` has calculated for a batch from the inventory; null: not known."""

    bytes: int | None = Field(default=None, ge=0, description="Bytes of the leaders' logs: what the mirror copies.")
    records: int | None = Field(default=None, ge=0, description="Offsets in the logs: at most so many records.")
    bytes_per_s: float | None = Field(default=None, ge=0, description="Growth while the inventory was taken.")
    records_per_s: float | None = Field(default=None, ge=0)
    minutes: float | None = Field(
        default=None, ge=0, description="Minutes until the mirror has caught up, at mirror_rate; null also if never."
    )
    deadline_h: float | None = Field(
        default=None, ge=0, description="Hours until the first record or offset of the batch can expire; null: never."
    )
    deadline_by: str | None = Field(default=None, description="What expires first.")


class PlannedBatch(PlanPart):
    """Topics and clients that move together."""

    name: Name
    system: str | None = Field(default=None, description="Business system of most of its topics.")
    after: tuple[Name, ...] = Field(default=(), description="Batches that have to move earlier.")
    path: PathName | tuple[PathStep, ...] = Field(description="A path of the catalogue, or a list of steps.")
    topics: tuple[Pattern, ...] = Field(min_length=1, description="Names or globs.")
    exclude: tuple[Pattern, ...] = Field(default=(), description="Names or globs that stay on the source.")
    groups: dict[Group, Mover] = Field(default={}, description="Consumer groups, by name.")
    producers: dict[Client, Mover] = Field(
        default={},
        description="Producing applications, by `cutover.app`, otherwise by `client.id`; a producer that only brokers "
        "know, by its transactional id; a source connector, by its name.",
    )
    gates: Gates = Gates()
    fence: tuple[Principal, ...] = Field(
        default=(),
        description="Principals, such as User:orders, that may not write to its topics on the source once its "
        "producers have left it: kafka-cutover creates ACLs that deny it, and removes them (docs/run.md).",
    )
    rollback_window_h: float = Field(
        default=24.0, gt=0, le=8760, description="Hours on the target until the mirror is deleted."
    )
    estimate: Estimate | None = Field(default=None, description="Written by `kafka-cutover plan`.")
    notes: tuple[str, ...] = Field(
        default=(), description="What a person has to know of the batch; `kafka-cutover plan` writes the first ones."
    )

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.name in (STAYS, WHOLE):
            raise ValueError(f"name: {self.name} is reserved for topics of no batch: choose another name")
        if not isinstance(self.path, str) and not self.path:
            raise ValueError("path: has no step")
        return self

    @property
    def movers(self) -> list[Mover]:
        """How its groups and its producing applications move."""
        return [*self.groups.values(), *self.producers.values()]


class Webhook(PlanPart):
    """A service that `kafka-cutover run` reports to; it may answer a request for approval."""

    url: str = Field(
        pattern=r"^(https?://|\$\{)[^\s]+$",
        description="${NAME} or ${file:PATH} for what is secret in it; with form: slack for the whole URL.",
    )
    form: Literal["generic", "slack"] = Field(default="generic", description="Form of what is sent.")
    on: tuple[Literal["step", "gate-missed", "bypass", "approval-wanted", "end"], ...] = Field(
        default=("step", "gate-missed", "bypass", "approval-wanted", "end"),
        min_length=1,
        description="What is sent.",
    )
    timeout_s: float = Field(
        default=10.0, gt=0, le=3600, description="Seconds to wait for an answer, also for that of a person."
    )

    @field_validator("url")
    @classmethod
    def _without_secrets(cls, url: str) -> str:
        if any(mark in REFERENCE.sub("", url) for mark in "?#@"):
            raise ValueError("may hold a secret (a user, a query): keep the URL in a variable, and write ${NAME}")
        return url

    @model_validator(mode="after")
    def _is_reference(self) -> Self:
        if self.form == "slack" and not self.url.startswith("${"):
            raise ValueError("url: the whole URL of a Slack webhook is a secret: write ${NAME} or ${file:PATH}")
        return self


class PlanFile(PlanPart):
    """The whole file."""

    format: Literal[1] = 1
    name: Name
    inventory: ListedBy | None = Field(default=None, description="The inventory that the plan was made from.")
    clusters: Clusters
    connect: Connect | None = Field(default=None, description="null: not known yet; a cutover needs it.")
    connect_clusters: dict[Name, MovingConnect] = Field(
        default={}, description="The Connect clusters whose connectors move, by a name of your choice."
    )
    reach: tuple[ReachedBy, ...] = Field(default=(), description="Channels to the clients with the shim.")
    key: str | None = Field(
        default=None, description="Key of the documents' signatures: ${file:PATH} or ${NAME}; the first of two signs."
    )
    statuses: str | None = Field(
        default=None, description="Where clients write their statuses: a folder, or kafka:TOPIC on the source."
    )
    webhooks: tuple[Webhook, ...] = Field(default=(), description="Services that `kafka-cutover run` reports to.")
    policy: FileName | None = Field(default=None, description="The policy that the report applies.")
    mirror_rate: int = Field(
        default=20_000_000, gt=0, description="Bytes per second that the mirror copies, for the estimates."
    )
    mirror_rate_measured: bool = Field(default=False, description="Whether mirror_rate was measured on these clusters.")
    compare_rate: float | None = Field(
        default=None,
        gt=0,
        description="Bytes of records per second that comparing both clusters' logs reads at most; null: no limit.",
    )
    lease_s: float = Field(
        default=60,
        ge=3,
        le=3600,
        description="Seconds after which another operator may take over a run that does not renew its lease any more.",
    )
    batches: tuple[PlannedBatch, ...] = Field(min_length=1, description="In the order in which they move.")
    stays: tuple[Pattern, ...] = Field(
        default=(), description="Topics that stay on the source on purpose: names or globs."
    )
    stays_groups: tuple[Group, ...] = Field(default=(), description="Groups that stay on the source on purpose.")

    @field_validator("key")
    @classmethod
    def _only_references(cls, key: str | None) -> str | None:
        return only_references(key)
