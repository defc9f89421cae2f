"""The run of each route: its mirror, its conductor and, at the end, the proof that its groups read everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.conductor.resume import reached
from cutover_harness.conductor.timeline import timeline
from cutover_harness.conductor.waiting import GateMissedError
from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.judge.model import Copied, DrainProof
from cutover_harness.mirror import Mirror
from cutover_harness.plan.batch import ResolvedBatch
from cutover_harness.plan.expect import Ended
from cutover_harness.procedure.state import RouteState
from cutover_harness.rehearsal import drain
from cutover_harness.rehearsal.conductor_process import ConductorProcess
from cutover_harness.rehearsal.facts import RouteEvidence

# What can fail while faults are injected: the run stops there, and its verdict contains the reason.
BROKEN = (GateMissedError, UsageError, KafkaException, OSError)


@dataclass
class RouteRun:
    """The run of one route.

    several: whether others run before or after it. patience_s: how long its drain may make no progress.
    """

    batch: ResolvedBatch
    mirror: Mirror
    conductor: ConductorProcess
    several: bool
    patience_s: float
    begun: bool = field(default=False, init=False)

    def run(self, expected: Ended, note: Callable[[str], None]) -> str | None:
        """Run the path; return why it did not end as expected, None if it did."""
        self.begun = True
        if self.several:
            note(f"batch {self.batch.name}: {', '.join(self.batch.topics)}")
        try:
            why = self.conductor.run()
        except BROKEN as broken:
            note(f"stopped: {in_one_line(broken)}")
            return in_one_line(broken)
        if why is None:
            return None if expected == "completed" else f"the path was expected to be {expected}, and was completed"
        return None if expected == self.conductor.ended else why

    @property
    def entries(self) -> list[Entry]:
        """The journal of its conductor; empty if it was never started."""
        return Journal(self.conductor.config.journal).read() if self.begun else []

    @property
    def state(self) -> RouteState:
        """Where the route stands."""
        return reached(self.entries)

    def evidence(self) -> RouteEvidence:
        """Return what the run left."""
        route = self.batch.name if self.several else None
        return RouteEvidence(
            batch=self.batch,
            timeline=timeline(self.entries, self.batch.groups, route) if self.begun else None,
            topics=self.topics(),
            left=["source"] if self.state.producers == "target" else ["target"],
        )

    def topics(self) -> list[str]:
        """Return its topics, also those that appeared on the way."""
        try:
            return sorted({*self.batch.topics, *self.mirror.topics()})
        except BROKEN:  # the source does not answer
            return list(self.batch.topics)

    def drain(self, source: Admin, target: Admin) -> tuple[list[DrainProof], list[Copied]]:
        """Wait until its groups read everything; return the proofs, and what the mirror is proved to have copied.

        Producers have ended. Raises the errors in BROKEN.
        """
        state, topics = self.state, self.topics()
        if state.consumers == "hold":
            raise UsageError("consumers were left on hold")
        copied: list[Copied] = []
        if state.consumers == "target" and state.task != "deleted" and not state.reverse:
            copied = drain.prove_copied(self.mirror, source, topics, self.patience_s)
        cluster = source if state.consumers == "source" else target
        readers: dict[tuple[str, ...], list[str]] = {}
        for group in self.batch.groups:
            readers.setdefault(tuple(self.batch.read_by(group, topics)), []).append(group)
        found: list[DrainProof] = []
        for own, groups in readers.items():
            found += drain.prove(cluster, state.consumers, groups, own, self.patience_s)
        return found, copied


def proofs(
    routes: Sequence[RouteRun], stays: ResolvedBatch | None, source: Admin, target: Admin, patience_s: float
) -> tuple[list[DrainProof], list[Copied]]:
    """Drain every route, and what stayed on the source. The evidence of a group without proof contains the reason."""
    found: list[DrainProof] = []
    copied: list[Copied] = []
    for route in routes:
        try:
            its, more = route.drain(source, target)
        except BROKEN as why:
            its, more = unproved(route.batch.groups, why), []
        found += its
        copied += more
    if stays is not None and stays.groups:
        try:
            found += drain.prove(source, "source", stays.groups, stays.topics, patience_s)
        except BROKEN as why:
            found += unproved(stays.groups, why)
    return found, copied


def unproved(groups: Sequence[str], why: Exception) -> list[DrainProof]:
    """Return a proof that failed for each group."""
    return [DrainProof(group=group, held=False, evidence=in_one_line(why)) for group in groups]


@dataclass(frozen=True)
class TotalLag:
    """The mirror lag of all routes that have begun to move, in records."""

    records: Mapping[tuple[str, int], int]

    @property
    def total(self) -> int:
        """The sum over all partitions."""
        return sum(self.records.values())


def lag(routes: Sequence[RouteRun]) -> TotalLag:
    """Return the lag of the routes that have begun to move: before that, all that they have would count."""
    records: dict[tuple[str, int], int] = {}
    for route in routes:
        if route.begun:
            records |= route.mirror.lag().records
    return TotalLag(records)
