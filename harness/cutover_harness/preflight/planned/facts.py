"""What is read for the preflight of a plan: the input of its rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cutover_harness.inventory.model import Gap, GroupEntry, Quota, ShimClient, TopicEntry
from cutover_harness.planning.problems import Problem
from cutover_harness.preflight.model import Client, Cluster
from cutover_harness.preflight.planned.connect_facts import ConnectSeen, RunningConnector
from cutover_harness.preflight.planned.rehearsed import Rehearsed
from cutover_harness.preflight.planned.rights import NOTHING_KNOWN, Rights
from cutover_harness.preflight.planned.scope import Scope
from cutover_harness.types import ClusterName

ACTIVE = timedelta(minutes=10)
"""A producer that has written since is active."""


@dataclass(frozen=True)
class Seen:
    """One cluster.

    cluster: the plan's topics and all groups, as the rules without a plan need them. entries: the plan's topics, with
    sizes and producers. groups: with members, of the plan, and those that read its topics. names: all topics.
    free_bytes: free space on all brokers, None if unknown. ids: of topics.
    """

    cluster: Cluster
    entries: Mapping[str, TopicEntry] = field(default_factory=dict)
    groups: Mapping[str, GroupEntry] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    rights: Rights = NOTHING_KNOWN
    quotas: Sequence[Quota] | None = None
    free_bytes: int | None = None
    bootstrap: str = ""
    cluster_id: str | None = None


@dataclass(frozen=True)
class ShimFleet:
    """Clients of the shim that run; `silent`: instances that do not renew their statuses."""

    clients: Sequence[ShimClient] = ()
    silent: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Refusal:
    """A setting, or a whole topic, that the target would not create. `setting`: None for the topic."""

    topic: str
    setting: str | None
    why: str
    final: bool


@dataclass(frozen=True)
class Spread:
    """How a generation without a change reached the clients.

    seen_s: seconds from the moment when it was written, by instance. missing: clients that have not seen it within
    waited_s, in words.
    """

    generation: int
    seen_s: Mapping[str, float]
    missing: Sequence[str]
    waited_s: float


@dataclass(frozen=True)
class Facts:
    """Everything about a plan and its clusters. fleet, connect: None if the plan names no statuses, no Connect.

    connectors: those that the plan moves and that exist. worker: principal of Connect's workers, None if not given.
    digest: the plan's hash. problems, unset: of the plan's file, by `plan check`. spread, rehearsed: None if not asked
    for.
    """

    scope: Scope
    seen: Mapping[ClusterName, Seen]
    at: datetime
    fleet: ShimFleet | None = None
    refusals: Sequence[Refusal] = ()
    clients: Mapping[str, Client] = field(default_factory=dict)
    target_acks: str | None = None
    worker: str | None = None
    gaps: Sequence[Gap] = ()
    connect: ConnectSeen | None = None
    connectors: Mapping[str, RunningConnector] = field(default_factory=dict)
    spread: Spread | None = None
    digest: str = ""
    rehearsed: Rehearsed | None = None
    problems: Sequence[Problem] = ()
    unset: Sequence[str] = ()

    @property
    def source(self) -> Seen:
        """The source cluster."""
        return self.seen["source"]

    @property
    def target(self) -> Seen:
        """The target cluster."""
        return self.seen["target"]
