"""Clients without the shim, which are stopped and started: what proves that they have left or joined a cluster.

They report no status, so the evidence comes from the clusters: members of their groups, and growth of the topics' logs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from cutover_harness.errors import UsageError
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.procedure.protocols import ClusterLike
from cutover_harness.types import Location, PartitionId, Role
from cutover_harness.words import counted


@dataclass(frozen=True)
class RestartedClient:
    """A consumer group, or a producing application, that is moved by a restart.

    instances: how many members the group has, None if that is not known. within_s: how long stopping or starting it may
    take. hooked: whether commands stop and start it, and not a person.
    """

    name: str
    role: Role
    instances: int | None
    within_s: float
    hooked: bool


def left(groups: Sequence[RestartedClient], cluster: ClusterLike, place: Location) -> Gate:
    """Return the gate that is open once these groups have no members on a cluster."""

    def read() -> Reading:
        there = {each.name: cluster.member_names(each.name) for each in groups}
        waits = [f"group {name} has {_members(names)} on {place}: stop them" for name, names in there.items() if names]
        return Reading(
            open=not waits,
            waits_for="; ".join(waits),
            evidence=f"no members on {place}: {', '.join(there)}",
            left=sum(map(len, there.values())),
        )

    return Gate(f"restarted consumers have left {place}", read, max(each.within_s for each in groups))


def joined(groups: Sequence[RestartedClient], cluster: ClusterLike, place: Location) -> Gate:
    """Return the gate that is open once these groups are stable on a cluster, with all their members."""

    def read() -> Reading:
        there = {each: cluster.members(each.name) for each in groups}
        waits = [
            f"group {each.name} has {count} of {counted(each.instances or 1, 'member')} on {place}: start them there"
            for each, count in there.items()
            if count < (each.instances or 1)
        ]
        return Reading(
            open=not waits,
            waits_for="; ".join(waits),
            evidence="; ".join(
                f"{each.name} has {counted(count, 'member')} on {place}" for each, count in there.items()
            ),
            left=sum(max(0, (each.instances or 1) - count) for each, count in there.items()),
        )

    return Gate(f"restarted consumers have joined {place}", read, max(each.within_s for each in groups))


@dataclass
class Growth:
    """When the logs of topics grew last, as far as this object has looked."""

    read: Callable[[], Mapping[PartitionId, int]]
    clock: Callable[[], float] = time.monotonic
    grown: dict[str, int] = field(default_factory=dict, init=False)
    """Records that topics got at the last change."""
    seen: int = field(default=0, init=False)
    """How many partitions the last look showed."""
    _ends: Mapping[PartitionId, int] | None = field(default=None, init=False)
    _known: dict[PartitionId, int] = field(default_factory=dict, init=False)
    _since: float = field(default=0.0, init=False)

    def quiet_s(self) -> float:
        """Look, and return for how many seconds nothing has changed.

        0 at the first look, after a look that failed, and if a partition is gone, new, or there again.
        """
        began = self.clock()  # an answer that takes long says nothing about the time after the question
        try:
            ends = dict(self.read())
        except (UsageError, KafkaException):
            self._ends = None  # the cluster is away: nobody could write in the meantime, and that proves no quiet
            raise
        self.seen = len(ends)
        if ends != self._ends:
            self.grown = {}
            for at, end in ends.items():
                if (more := end - self._known.get(at, end)) > 0:
                    self.grown[at[0]] = self.grown.get(at[0], 0) + more
            self._known.update(ends)  # also of those that are gone: they may come back with more records
            self._ends, self._since = ends, self.clock()
        return max(0.0, began - self._since)


def quiet(
    producers: Sequence[RestartedClient],
    cluster: ClusterLike,
    topics: Callable[[], Sequence[str]],
    place: Location,
    for_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Gate:
    """Return the gate that is open once the topics have got no record on a cluster for `for_s` seconds."""
    names = ", ".join(each.name for each in producers)
    growth = Growth(lambda: cluster.end_offsets(topics()), clock)

    def read() -> Reading:
        quiet_s = growth.quiet_s()
        grown = ", ".join(f"{topic} got {counted(count, 'record')}" for topic, count in sorted(growth.grown.items()))
        why = f"; {grown} on {place}: stop what writes there" if grown else ""
        if not growth.seen:  # as of a broker that has just started: what cannot be seen may grow
            why = f"; {place} shows none of the batch's topics"
        return Reading(
            open=growth.seen > 0 and quiet_s >= for_s,
            waits_for=f"{names}: no record on {place} for {quiet_s:.0f} of {for_s:.0f} s{why}",
            evidence=f"{names}: no record on {place} for {quiet_s:.0f} s",
        )

    return Gate(f"restarted producers have left {place}", read, max(each.within_s for each in producers) + for_s)


def _members(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{counted(len(names), 'member')} ({shown}{more})"
