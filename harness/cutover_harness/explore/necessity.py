"""Which damage each gate prevents: with one gate left out, the search must find a violation that it prevents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from cutover_harness.errors import UsageError
from cutover_harness.explore.case import BROKEN, GENERATION, LOCK, Bounds, Case, Removed
from cutover_harness.explore.search import Search, Violation

GUARDS = (LOCK, GENERATION, BROKEN)
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


def gates_of(case: Case) -> list[Removed]:
    """Return all gates of a path, in the order in which they are read, and the guards."""
    search = Search(replace(case, bounds=replace(case.bounds, records=1, partitions=1, faults=0, crashes=True)))
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
    kinds = [replace(small[0], faults=1, kinds=(kind,)) for kind in bounds.kinds]
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
    states, complete = 0, True
    for world in worlds(case, gate, others):
        note(f"{gate}: {world.bounds.kinds[0] if world.bounds.kinds else 'no fault'}")
        result = Search(world).run(waits=False)
        states += result.states
        complete = complete and (result.complete or result.violation is not None)
        if result.violation is not None and not _happens_anyway(case, world):
            return Necessity(gate, result.violation, world, states, complete)
    return Necessity(gate, None, case, states, complete)


def _happens_anyway(case: Case, world: Case) -> bool:
    """Whether something is violated in the same world with all gates: then it says nothing about the one left out."""
    return Search(replace(world, without=case.without)).run(waits=False).violation is not None
