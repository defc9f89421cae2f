"""Which damage each gate prevents: with one gate left out, the search must find a violation that it prevents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from cutover_harness.errors import UsageError
from cutover_harness.explore.case import BROKEN, BYPASS, GENERATION, LEASE, LOCK, STRANGERS, Bounds, Case, Removed
from cutover_harness.explore.invariants import of_move
from cutover_harness.explore.search import Result, Search, Violation

GUARDS = (LOCK, LEASE, GENERATION, BROKEN, BYPASS)
BOUNDS = (
    Bounds(records=2, faults=0, kinds=(), crashes=False),
    Bounds(partitions=2, records=1, faults=0, kinds=(), crashes=False),
)
"""Small worlds without faults, which are searched first: most counterexamples need no more."""


@dataclass(frozen=True)
class Necessity:
    """A gate, with the violation that it prevents; None if no world that was searched needs it.

    together: whether the violation needs that the gates of the same name at other steps are left out as well.
    """

    gate: Removed
    violation: Violation | None
    case: Case
    states: int
    complete: bool
    together: bool = False


_Which = tuple[object, ...]
_gates: dict[_Which, list[Removed]] = {}
_wholes: dict[_Which, Result] = {}
_traces: dict[frozenset[Removed], list[tuple[Bounds, tuple[str, ...]]]] = {}
"""What was found earlier: gates of a path, results with all gates, and damage by the gates that were left out. The same
sequence of events often does damage on another path, too."""


def gates_of(case: Case) -> list[Removed]:
    """Return all gates of a path, in the order in which they are read, and the guards."""
    which = _which(case)
    if which not in _gates:
        _gates[which] = _gates_of(case)
    return _gates[which]


def _which(case: Case, bounds: Bounds | None = None) -> _Which:
    steps = tuple((step.step, step.safety) for step in case.path)
    return steps, case.fleet, case.planned, case.without, case.substitute, bounds


def _gates_of(case: Case) -> list[Removed]:
    # Small, and without a limit, at which gates would be left out that no line is about.
    search = Search(replace(case, bounds=Bounds(records=1, faults=0, kinds=case.bounds.kinds)))
    found = list(search.run(waits=False).gates)
    planned = {step.step for step in case.path}
    order = [step.step for step in case.path]
    on_path = [gate for gate in found if gate.step in planned]
    on_path.sort(key=lambda gate: (order.index(gate.step) if gate.step else 0, gate.after))
    return [*on_path, *(Removed(guard) for guard in GUARDS)]


def named(case: Case, text: str) -> Removed:
    """Return the gate of a path with this name, as `STEP/before/GATE`. Raises UsageError that lists them."""
    gates = gates_of(case)
    for gate in gates:
        if str(gate) == text:
            return gate
    raise UsageError(f"--without {text}: {case.name} has no such gate: give one of: {'; '.join(map(str, gates))}")


def worlds(case: Case, gate: Removed, others: Collection[Removed] = ()) -> Iterator[Case]:
    """Return the worlds in which the absence of a gate, and of `others`, is looked for, the smallest first."""
    without = case.without | {gate, *others}
    bounds = case.bounds
    crashes = gate.gate in (LOCK, GENERATION)
    small = [
        replace(each, crashes=crashes, depth=bounds.depth, states=bounds.states, seconds=bounds.seconds)
        for each in BOUNDS
    ]
    if crashes:
        small = [replace(each, records=1) for each in small]
    possible = [kind for kind in bounds.kinds if case.planned or kind not in STRANGERS]
    kinds = [replace(small[0], faults=1, kinds=(kind,)) for kind in possible]
    crashing = [replace(each, crashes=True) for each in small] if not crashes else []
    for each in (*small, *kinds, *crashing):
        yield replace(case, bounds=each, without=frozenset(without))


def necessity(case: Case, gate: Removed, note: Callable[[str], None] = lambda _: None) -> Necessity:
    """Search the worlds of a gate until one shows damage that does not happen with the gate."""
    found = _search(case, gate, (), note)
    same = [each for each in gates_of(case) if each.gate == gate.gate and each != gate]
    if found.violation is None and same:
        other = _search(case, gate, same, note)
        found = replace(
            other, states=found.states + other.states, complete=found.complete and other.complete, together=True
        )
    return found


def _search(case: Case, gate: Removed, others: Collection[Removed], note: Callable[[str], None]) -> Necessity:
    without, states, complete = frozenset({gate, *others}), 0, True
    for bounds, trace in _traces.get(without, ()):
        world = replace(case, bounds=bounds, without=case.without | without)
        violation = follows(world, trace)
        if violation is not None and _whole(case, world).violation is None:
            return Necessity(gate, violation, world, len(trace), complete=True)
    for world in worlds(case, gate, others):
        note(f"{gate}: {world.bounds.kinds[0] if world.bounds.kinds else 'no fault'}")
        whole = _whole(case, world)
        complete = complete and (whole.complete or whole.violation is not None)
        if whole.violation is not None:  # it says nothing about the gate that is left out
            continue
        if whole.complete and not whole.closed & without and all(each.step is not None for each in without):
            continue  # a gate that is never closed keeps nothing away
        result = Search(world).run(waits=False)
        states += result.states
        complete = complete and (result.complete or result.violation is not None)
        if result.violation is not None:
            _traces.setdefault(without, []).append((world.bounds, result.violation.trace))
            return Necessity(gate, result.violation, world, states, complete)
    return Necessity(gate, None, case, states, complete)


def _whole(case: Case, world: Case) -> Result:
    """Return the result of the same world with all gates."""
    which = _which(case, world.bounds)
    if which not in _wholes:
        _wholes[which] = Search(replace(world, without=case.without)).run(waits=False)
    return _wholes[which]


def follows(case: Case, trace: Sequence[str]) -> Violation | None:
    """Return the violation to which the events of a trace lead in a case, None if they are not possible there."""
    search = Search(case)
    world = search.first()
    words: list[str] = []
    for event in trace[:-1]:
        moves = list(search.after(world))
        move = next((each for each in moves if each.words == event), None)
        if move is None:
            return None
        words.append(event)
        if (damage := of_move(case, search.conductors, world, move.world)) is not None:
            return Violation(damage, (*words, damage.words))
        world = search.world(search.key(move.world))  # parts in the order in which the search has numbered them
    return None
