"""Routes on their way: each with its mirror, its conductor and, at the end, the proof that its groups read it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.conductor.gates import GateMissedError
from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.conductor.resume import reached
from cutover_harness.conductor.timeline import Timeline, timeline
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Copied, DrainProof
from cutover_harness.mirror import Mirror
from cutover_harness.plan.batch import Route
from cutover_harness.plan.path import RouteState
from cutover_harness.rehearsal import drain
from cutover_harness.rehearsal.conducted import Conducted

# What can break while things are broken on purpose: the run stops there, and says so.
BROKEN = (GateMissedError, UsageError, KafkaException)


@dataclass
class Walk:
    """One route that walks the path. `several`: whether others walk it too, before or after.

    `patience_s`: how long its drain may make no progress.
    """

    route: Route
    mirror: Mirror
    conducted: Conducted
    several: bool
    patience_s: float
    begun: bool = field(default=False, init=False)

    def run(self, expected: Literal["walked", "turned-back", "stopped"], note: Callable[[str], None]) -> str | None:
        """Have the path walked; return why it did not end as expected, None where it did."""
        self.begun = True
        if self.several:
            note(f"batch {self.route.name}: {', '.join(self.route.topics)}")
        try:
            why = self.conducted.run()
        except BROKEN as broken:
            note(f"stopped: {broken}")
            return str(broken)
        if why is None:
            return (
                None if expected == "walked" else f"the path was expected to be {expected}, and was walked to its end"
            )
        return None if expected == self.conducted.ended else why

    @property
    def entries(self) -> list[Entry]:
        """What its conductor's journal says; nothing where it was never started."""
        return Journal(self.conducted.config.journal).read() if self.begun else []

    @property
    def state(self) -> RouteState:
        """Where the route stands."""
        return reached(self.entries)

    def told(self) -> Timeline:
        """Return its time line."""
        return timeline(self.entries, self.route.groups, self.route.name if self.several else None)

    def topics(self) -> list[str]:
        """Return its topics, also those that appeared on the way."""
        try:
            return sorted({*self.route.topics, *self.mirror.topics()})
        except UsageError:  # the source does not answer
            return list(self.route.topics)

    def left(self) -> list[str]:
        """Return the cluster that its producers finally left."""
        return ["source"] if self.state.producers == "target" else ["target"]

    def drain(self, source: Admin, target: Admin) -> tuple[list[DrainProof], list[Copied]]:
        """Wait until its groups read everything; return the proofs, and what the mirror is proven to have copied.

        Producers have ended. Raises what is in BROKEN.
        """
        state, topics = self.state, self.topics()
        if state.consumers == "hold":
            raise UsageError("consumers were left on hold")
        copied: list[Copied] = []
        if state.consumers == "target" and state.task != "deleted" and not state.reverse:
            copied = drain.prove_copied(self.mirror, source, topics, self.patience_s)
        cluster = source if state.consumers == "source" else target
        return drain.prove(cluster, state.consumers, self.route.groups, topics, self.patience_s), copied


def proofs(
    walks: Sequence[Walk], stays: Route | None, source: Admin, target: Admin, patience_s: float
) -> tuple[list[DrainProof], list[Copied]]:
    """Drain every route: those that walked, and what stayed on the source. A group without proof says why."""
    found: list[DrainProof] = []
    copied: list[Copied] = []
    for walk in walks:
        try:
            its, more = walk.drain(source, target)
        except BROKEN as why:
            its, more = unproved(walk.route.groups, why), []
        found += its
        copied += more
    if stays is not None and stays.groups:
        try:
            found += drain.prove(source, "source", stays.groups, stays.topics, patience_s)
        except BROKEN as why:
            found += unproved(stays.groups, why)
    return found, copied


def unproved(groups: Sequence[str], why: Exception) -> list[DrainProof]:
    """Return that nothing is proved, and why."""
    return [DrainProof(group=group, held=False, evidence=str(why)) for group in groups]


@dataclass(frozen=True)
class TotalLag:
    """The mirror lag of all routes that have begun to move, in records."""

    records: Mapping[tuple[str, int], int]

    @property
    def total(self) -> int:
        """The sum over all partitions."""
        return sum(self.records.values())


def lag(walks: Sequence[Walk]) -> TotalLag:
    """Return the lag of the routes that have begun to move: before that, all that they have would count."""
    records: dict[tuple[str, int], int] = {}
    for walk in walks:
        if walk.begun:
            records |= walk.mirror.lag().records
    return TotalLag(records)
