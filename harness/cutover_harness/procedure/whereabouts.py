"""Clusters on which clients of a route must not be now, from the entries of its journal. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cutover_harness.procedure.entries import START, Entry
from cutover_harness.procedure.mirror_turn import REVERSED
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import RouteState
from cutover_harness.procedure.steps import step_of
from cutover_harness.types import ClusterName, Location, PartitionId, Role

CLUSTERS: tuple[ClusterName, ...] = ("source", "target")
ROLES: tuple[Role, ...] = ("producer", "consumer")


@dataclass(frozen=True)
class Away:
    """A cluster on which no client of `role` may be, since the step `since` (START: since the beginning).

    were_there: whether they have left it; otherwise they are not on it yet.
    """

    role: Role
    cluster: ClusterName
    since: int
    were_there: bool


@dataclass(frozen=True)
class Whereabouts:
    """Where the clients of a route must not be. A role that is being moved is left out.

    copies_to: the cluster to which the mirror copies. cut: where the target's logs ended when the forward mirror was
    stopped, empty if it was not. moving: the roles that are being moved: where their clients are is not known.
    """

    state: RouteState
    away: tuple[Away, ...]
    copies_to: ClusterName | None
    cut: Mapping[PartitionId, int] = field(default_factory=dict)
    moving: frozenset[Role] = frozenset()


def allowed(state: RouteState, role: Role) -> frozenset[Location]:
    """Return the clusters on which clients of a role may be; none while they are on hold."""
    if role == "consumer" and state.overlap:
        return frozenset(CLUSTERS)
    return frozenset({state.producers if role == "producer" else state.consumers}) - {"hold"}


def whereabouts(entries: Sequence[Entry]) -> Whereabouts | None:
    """Return where clients must not be; None before they have attested where they are, and after the path's end."""
    # Steps of which it was found, when the way back was decided, that they had changed nothing.
    undone = {number for entry in entries if entry.kind == "back" for number in entry.detail.get("undone", ())}
    walk = _Walk(seen=undone)
    for entry in entries:
        walk.see(entry)
    return walk.found()


@dataclass
class _Walk:
    seen: set[int]
    state: RouteState = field(default_factory=RouteState)
    since: dict[tuple[Role, ClusterName], int] = field(default_factory=dict)
    been: set[tuple[Role, ClusterName]] = field(default_factory=set)
    moving: set[Role] = field(default_factory=set)
    begun: dict[int, StepName] = field(default_factory=dict)
    """Steps that were begun and are not done."""
    cut: Entry | None = None
    turned: bool = False
    started: bool = False
    ended: bool = False

    def see(self, entry: Entry) -> None:
        if entry.kind == "done" and entry.step == START:
            self.started = True
            self._settle(ROLES, START)
        elif entry.kind == "doing" and entry.step not in self.seen:
            step = step_of(entry.name)
            self.seen.add(entry.step)
            self.begun[entry.step] = step.name
            self.state = step.after(self.state)
            self.moving.update(_moved(step.name))
        elif entry.kind == "done" and entry.step in self.begun:
            roles = _moved(self.begun.pop(entry.step))
            self.moving.difference_update(roles)
            self._settle(roles, entry.step)
        elif entry.kind == "back":
            self.begun.clear()  # a step that was not done counts as done; whoever it moved attests at the next move
        elif entry.kind == "cut":
            self.turned = entry.name == REVERSED
            self.cut = self.cut if self.turned else entry
        self.ended = entry.kind == "end" or (self.ended and entry.kind not in ("step", "back"))

    def _settle(self, roles: Iterable[Role], number: int) -> None:
        for role in roles:
            places = allowed(self.state, role)
            for cluster in CLUSTERS:
                if cluster in places:
                    self.since.pop((role, cluster), None)
                    self.been.add((role, cluster))
                else:
                    self.since.setdefault((role, cluster), number)

    def found(self) -> Whereabouts | None:
        if not self.started or self.ended:
            return None
        changing = set(self.begun.values()) & {StepName.DELETE_TASK}
        if StepName.REVERSE_MIRROR in self.begun.values() and not self._was_cut:
            changing.add(StepName.REVERSE_MIRROR)
        away = tuple(
            Away(role, cluster, number, (role, cluster) in self.been)
            for (role, cluster), number in sorted(self.since.items())
            if role not in self.moving
            # While the mirror ends or is turned around it is not known who writes.
            and not (role == "producer" and changing)
        )
        reverse = self.state.reverse and self._was_cut
        copies_to: ClusterName | None = None
        if self.state.has_task:
            copies_to = ("source" if self.turned else None) if reverse else "target"
        cut = _offsets(self.cut) if reverse else {}
        return Whereabouts(self.state, away, copies_to, cut, frozenset(self.moving))

    @property
    def _was_cut(self) -> bool:
        return self.cut is not None


def _moved(name: StepName) -> Sequence[Role]:
    step = step_of(name)
    if step.moves is None:
        return ("consumer",) if step.moves_apps else ()
    return ("producer",) if step.moves == "producers" else ("consumer",)


def _offsets(cut: Entry | None) -> dict[PartitionId, int]:
    return {} if cut is None else {(topic, number): end for topic, number, end in cut.detail["offsets"]}
