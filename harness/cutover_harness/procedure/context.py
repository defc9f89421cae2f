"""Context of a step: clients, clusters, mirror, journal and cutover file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from cutover_harness.procedure.conditions import Conditions
from cutover_harness.procedure.connectors import Connectors
from cutover_harness.procedure.gates import Gate
from cutover_harness.procedure.mirror_integrity import MirrorIntegrity
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.protocols import (
    ClusterLike,
    CutoverFileLike,
    FenceLike,
    GateBars,
    JournalLike,
    MirrorLike,
)
from cutover_harness.procedure.restarted import RestartedClient
from cutover_harness.procedure.state import Moved, RouteState, role_of
from cutover_harness.procedure.target_state import TargetState
from cutover_harness.types import Location, Role


@dataclass(frozen=True)
class RouteClients:
    """The groups and clients of a route.

    `clients` maps each expected instance to its role: a gate names those that are missing. `members`, for apps without
    the shim that are moved by a restart: how many members each group must have. `restarts`: clients without the shim in
    a fleet of which others are on it.
    """

    name: str
    groups: Sequence[str]
    clients: Mapping[str, Role]
    members: Mapping[str, int] | None = None
    restarts: Sequence[RestartedClient] = ()

    def restarted(self, role: Role) -> list[RestartedClient]:
        """Return the clients of one role that are moved by a restart next to those on the shim."""
        return [each for each in self.restarts if each.role == role]

    def instances(self, role: Role) -> list[str]:
        """Return the instances of one role."""
        return [instance for instance, its in self.clients.items() if its == role]


@dataclass(frozen=True)
class Action:
    """Something that a step does between its gates; repeated while a cluster or Connect is away."""

    name: str
    do: Callable[[], object]


@dataclass(frozen=True)
class StepContext:
    """One step of a path, about to be done or being done.

    `number`: its place in the path, from 0. `state`: where the route stands before it. `deadline_s`: the deadline of
    the gates before it. `resumes`: consumers were on the target last, not counting a hold, so their offsets there are
    their own. `returns`: producers were on the target last, not counting a hold. `next_step`: the step that follows in
    the path. `done_here`: the step that this process did last.
    """

    number: int
    state: RouteState
    route: RouteClients
    bars: GateBars
    deadline_s: float
    resumes: bool
    returns: bool
    next_step: StepName | None
    done_here: StepName | None
    mirror: MirrorLike
    source: ClusterLike
    target: ClusterLike
    cutover_file: CutoverFileLike
    journal: JournalLike
    conditions: Conditions
    verified: Gate | None
    """The gate that compares all records of both clusters, None if the run does not ask for it."""
    snapshot: Callable[[], object]
    """Keeps the groups' offsets on both clusters in a file of the run, before offsets are written."""
    connectors: Connectors | None = None
    """The connectors that move, None if there are none."""
    write_fence: FenceLike | None = None
    """What keeps producers from writing to the source once they have left it, None if the plan has none."""

    @property
    def integrity(self) -> MirrorIntegrity:
        """Mirror integrity, with what the journal remembers."""
        return MirrorIntegrity(self.journal, self.mirror, self.source, self.target)

    @property
    def kept_offsets(self) -> Action:
        """Keep the groups' offsets before they are written."""
        return Action("snapshot of the groups' offsets", self.snapshot)

    @property
    def target_state(self) -> TargetState:
        """The gates on the target's state."""
        return TargetState(self.route.groups, self.journal, self.mirror, self.source, self.target)

    def of_restarted(self, who: Moved | None, destination: Location | None) -> StepContext | None:
        """Return the context for those clients that are restarted, once those on the shim have followed the step.

        The gates before a step look at the groups, so that they concern no group that reads where it should. None if
        nothing is left that they could prevent. That holds of producers that are released: those that are restarted
        were quiet when the step began, and what the gates before it prove (the mirror is at zero) stays true while
        nobody writes. Producers that are to be held still write, and would be held in vain.
        """
        if self.route.members is not None:
            return self
        restarted = self.route.restarted(role_of(who)) if who is not None else []
        if not restarted or (who == "producers" and destination != "hold"):
            return None
        groups = [each.name for each in self.route.restarted("consumer")]
        return replace(self, route=replace(self.route, groups=groups))

    def location(self, who: Moved) -> Location:
        """Return where the cutover file points the consumers or the producers."""
        route = self.cutover_file.routes[self.route.name]
        return route.consumers if who == "consumers" else route.producers

    def move(self, who: Moved, location: Location) -> None:
        """Point the consumers or the producers to `location`; if they are there already nothing is written."""
        if who == "consumers":
            self.cutover_file.point(self.route.name, consumers=location)
        else:
            self.cutover_file.point(self.route.name, producers=location)
