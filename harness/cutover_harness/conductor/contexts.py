"""Contexts of one route's steps: clients, clusters, mirror and journal, with the conditions over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.resume import before, were_on_target
from cutover_harness.conductor.snapshots import FOLDER, Snapshots
from cutover_harness.conductor.statuses import StatusSource, read_statuses
from cutover_harness.conductor.switches import switches
from cutover_harness.plan.scenario import Gates, PathStep
from cutover_harness.procedure.client_status import StatusWatch
from cutover_harness.procedure.conditions import Conditions
from cutover_harness.procedure.connectors import Connectors
from cutover_harness.procedure.context import RouteClients, StepContext
from cutover_harness.procedure.gates import Gate
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.protocols import ClusterLike, FenceLike, MirrorLike


def clients_of(config: ConductorConfig) -> RouteClients:
    """Return the groups and clients of a conductor's route."""
    return RouteClients(config.route, config.groups, config.clients, config.members, config.restarts)


def verified_of(config: ConductorConfig, journal: Journal) -> Callable[[int, float], Gate] | None:
    """Return the gate that compares all records; None in a rehearsal, whose judge accounts for every record."""
    if config.plan is None:
        return None
    from cutover_harness.conductor.verification import verified_batch  # noqa: PLC0415 - a rehearsal starts without it

    return verified_batch(config.plan, config, journal).gate


@dataclass(frozen=True)
class Contexts:
    """Builds the context of each step, and the conditions that gates read."""

    route: RouteClients
    steps: Sequence[PathStep]
    journal: Journal
    cutover_file: CutoverFileWriter
    statuses: StatusSource
    mirror: MirrorLike
    source: ClusterLike
    target: ClusterLike
    gates: Gates
    verified: Callable[[int, float], Gate] | None = None
    """Returns the gate of a step, with this deadline, that compares all records."""
    connectors: Connectors | None = None
    """The connectors that move with the batch."""
    write_fence: FenceLike | None = None
    """What keeps producers from writing to the source once they have left it."""
    watch: StatusWatch = field(default_factory=StatusWatch)

    def conditions(self, *, safety: bool) -> Conditions:
        """Return the conditions; without `safety` they ignore records that the mirror has missed."""
        return Conditions(
            lambda: read_statuses(self.statuses, self.route.name),
            self.watch,
            self.mirror,
            self.source,
            self.target,
            safety,
            self.cutover_file.behind,
            self._unread,
        )

    def _unread(self) -> str | None:
        problem = self.statuses.problem
        return None if problem is None else f"{self.statuses.name}: {problem}"

    @property
    def _snapshots(self) -> Snapshots:
        folder = self.journal.path.with_name(FOLDER)
        return Snapshots(folder, self.route.name, self.route.groups, self.source, self.target)

    def note_switches(self, number: int, step: str) -> None:
        """Note in the journal what clients report of their last change of cluster, if it has changed."""
        found = switches(self.statuses.read(), self.route.name)
        noted = [entry.detail["clients"] for entry in self.journal.read() if entry.kind == "switched"]
        if found and found != (noted[-1] if noted else None):
            self.journal.write("switched", number, step, clients=found)

    def of(self, number: int, planned: PathStep, done_here: StepName | None) -> StepContext:
        """Return the context of the step `number`; `done_here` is the step that this very process did last."""
        entries = self.journal.read()
        next_steps = [step.step for step in self.steps[number + 1 : number + 2]]
        others = [entry for entry in entries if entry.step != number]
        return StepContext(
            number=number,
            state=before(entries, number),
            route=self.route,
            bars=self.gates,
            deadline_s=planned.deadline_s or self.gates.deadline_s,
            resumes=were_on_target(others),
            returns=were_on_target(others, "producers"),
            next_step=next_steps[0] if next_steps else None,
            done_here=done_here,
            mirror=self.mirror,
            source=self.source,
            target=self.target,
            cutover_file=self.cutover_file,
            journal=self.journal,
            conditions=self.conditions(safety=planned.safety),
            verified=None if self.verified is None else self.verified(number, self.gates.deadline_s),
            connectors=self.connectors,
            write_fence=self.write_fence,
            snapshot=lambda: self._snapshots.take(number, planned.step, self.mirror.topics()),
        )
