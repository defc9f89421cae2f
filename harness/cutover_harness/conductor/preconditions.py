"""Preconditions of a step, without which a run proves nothing; the conductor waits for them.

A rehearsal moves clients in the middle of traffic, and some of its faults act on a mirror that lags or on a group that
is behind. That depends on the speed of the machine, so the conductor waits for it right before the step, for a
bounded time, and journals the evidence. None of this makes a cutover safe: gates do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from cutover_harness.conductor.waiting import forgiving, wait
from cutover_harness.plan.scenario import PreconditionKind
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.procedure.protocols import ClusterLike, MirrorLike
from cutover_harness.procedure.state import RouteState
from cutover_harness.types import Location, PartitionId, Role
from cutover_harness.words import counted

BEHIND_S = 2.0
"""How old the log end is that a group which is behind has not reached: it commits once a second."""


def traffic_of(role: Role, state: RouteState) -> Location | None:
    """Return the cluster on which clients of `role` are and have traffic, None if none can be expected.

    Consumers have traffic on the cluster of the producers, or on the one that the mirror copies to.
    """
    if role == "producer":
        return None if state.producers == "hold" else state.producers
    at, producers = state.consumers, state.producers
    if "hold" in (at, producers):
        return None
    copied_to = "source" if state.reverse else "target" if state.task in ("created", "synchronised") else None
    return at if at in (producers, copied_to) else None


@dataclass(frozen=True)
class Preconditions:
    """Waits for the preconditions of a route; a timeout misses no gate, and is part of the result."""

    groups: Sequence[str]
    mirror: MirrorLike
    source: ClusterLike
    target: ClusterLike
    clock: Callable[[], float] = time.monotonic

    def await_traffic(self, role: Role, state: RouteState, within_s: float) -> None:
        """Wait until clients of `role` have traffic: a move proves something only in the middle of it."""
        place = traffic_of(role, state)
        if place is not None and within_s:
            self._await(f"traffic of {role}s", self.flows(role, place), within_s)

    def await_it(self, what: PreconditionKind, within_s: float) -> tuple[bool, str]:
        """Wait for `what`; return whether it came true, and the last evidence."""
        return self._await(what, self.of(what), within_s)

    def _await(self, name: str, ask: Callable[[], Reading], within_s: float) -> tuple[bool, str]:
        last = Reading(open=False)

        def read() -> Reading:
            nonlocal last
            last = replace(forgiving(ask)(), enough=True)
            return last

        passed = wait(Gate(name, read, within_s, waits_only=True), lambda _waits, _elapsed: None)
        return last.open, passed.evidence

    def of(self, what: PreconditionKind) -> Callable[[], Reading]:
        """Return the reading of one precondition."""
        return {"lag": self._lags, "behind": self._behind(), "ahead": self._ahead, "read": self._all_read}[what]

    def flows(self, role: Role, place: Location) -> Callable[[], Reading]:
        """Return a reading that opens when there is traffic on `place`: logs that grow, commits of every group."""
        cluster = self.source if place == "source" else self.target
        first: dict[str, object] = {}

        def read() -> Reading:
            topics = self.mirror.topics()
            now: dict[str, object] = (
                {"producers": dict(cluster.end_offsets(topics))}
                if role == "producer"
                else {group: dict(cluster.committed(group, topics)) for group in self.groups}
            )
            for who, offsets in now.items():
                first.setdefault(who, offsets)
            still = [who for who, offsets in now.items() if offsets == first[who]]
            return Reading(
                open=not still,
                waits_for=f"no traffic on the {place} of {', '.join(still)}",
                evidence=f"traffic on the {place} of {', '.join(now)}",
            )

        return read

    def _lags(self) -> Reading:
        total = self.mirror.lag().total
        return Reading(open=total > 0, waits_for="lag 0 records", evidence=f"lag {total} records")

    def _behind(self) -> Callable[[], Reading]:
        """Every group has committed less than the source had two seconds ago."""
        seen: list[tuple[float, int]] = []

        def read() -> Reading:
            topics = self.mirror.topics()
            committed = {group: sum(self.source.committed(group, topics).values()) for group in self.groups}
            now = self.clock()
            seen.append((now, sum(self.source.end_offsets(topics).values())))
            had = max((ends for at, ends in seen if at <= now - BEHIND_S), default=0)
            words = f"{counted(had, 'record')} on the source {BEHIND_S:.0f} s ago, committed: " + ", ".join(
                f"{group} {count}" for group, count in committed.items()
            )
            return Reading(open=all(had > c for c in committed.values()), waits_for=words, evidence=words)

        return read

    def _ahead(self) -> Reading:
        """Every group has read records that are not on the target."""
        topics = self.mirror.topics()
        committed = {group: self.source.committed(group, topics) for group in self.groups}
        # The ends after the lag, so that the number of mirrored records is never underestimated.
        lag = self.mirror.lag().records
        mirrored = {p: end - lag.get(p, 0) for p, end in self.source.end_offsets(topics).items()}
        ahead = {
            group: sum(max(0, offset - mirrored.get(p, offset)) for p, offset in its.items())
            for group, its in committed.items()
        }
        words = ", ".join(
            f"{group} has read {counted(count, 'record')} not mirrored yet" for group, count in ahead.items()
        )
        return Reading(open=all(ahead.values()), waits_for=words, evidence=words)

    def _all_read(self) -> Reading:
        topics = self.mirror.topics()
        ends = self.source.end_offsets(topics)
        left = {group: _left(ends, self.source.committed(group, topics)) for group in self.groups}
        words = ", ".join(f"{group} has {counted(count, 'record')} left on the source" for group, count in left.items())
        return Reading(open=not any(left.values()), waits_for=words, evidence=words)


def _left(ends: Mapping[PartitionId, int], committed: Mapping[PartitionId, int]) -> int:
    return sum(max(0, end - committed.get(partition, 0)) for partition, end in ends.items())
