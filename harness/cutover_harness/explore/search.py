"""Breadth-first search over all states of a case: the first violation found is one with a shortest trace.

A state is one integer: numbers of its parts and of what its conductors do, as tables know them, so that a million
states take less than 300 MB and no two states are taken for one.
"""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from cutover_harness.explore.case import Case, Removed
from cutover_harness.explore.conductor import Conductors, Move
from cutover_harness.explore.environment import Environment
from cutover_harness.explore.graph import Graph
from cutover_harness.explore.invariants import Damage, of_move
from cutover_harness.explore.journals import Journals
from cutover_harness.explore.world import Part, World
from cutover_harness.procedure.state import ImpossibleStepError

_WIDTH = 1 << 22
_ENDS_A_RUN = ("missed", "crash", "operator", "fault")
_RARE = 0.1
"""How often a walk takes what ends or disturbs a run, next to what lets it go on."""
EVERY = 20_000
"""States between two reports of progress."""


@dataclass(frozen=True)
class Violation:
    """A violation with its trace: what happened, in order; the last line is the damage."""

    damage: Damage
    trace: tuple[str, ...]
    steps: tuple[World, ...] = field(default=(), repr=False)


@dataclass
class Result:
    """What a search has found. complete: whether it ended because there was no state left, and not at a bound."""

    case: Case
    states: int = 0
    moves: int = 0
    depth: int = 0
    seconds: float = 0.0
    complete: bool = False
    violation: Violation | None = None
    in_vain: dict[Removed, Violation] = field(default_factory=dict)
    """Gates that wait for what can never come, so that only their deadline ends the wait; each with a trace."""
    ends: set[tuple[int, ...]] = field(default_factory=set)
    gates: tuple[Removed, ...] = ()
    closed: frozenset[Removed] = frozenset()


class Search:
    """One search. `note` is called with the states and the depth from time to time."""

    def __init__(self, case: Case, note: Callable[[int, int], None] = lambda *_: None) -> None:
        self.case, self.note = case, note
        self.conductors = Conductors(case, Journals())
        self.environment = Environment(case, self.conductors)
        self._parts: dict[object, int] = {}
        self._known: list[object] = []
        # Producers that differ make their partitions differ.
        self._symmetric = case.fleet in ("shim", "restart", "restarted-group") or case.bounds.partitions == 1

    def first(self) -> World:
        """Return the state in which everything begins: nothing is produced, and a conductor is about to start."""
        bounds = self.case.bounds
        two = self.case.lacks("one conductor at a time")
        return World(
            parts=tuple(Part() for _ in range(bounds.partitions)),
            faults=bounds.faults,
            conductors=(None, None) if two else (None,),
        )

    def after(self, world: World) -> Iterator[Move]:
        """Return all moves from a state, canonical states."""
        if world.ended:
            return
        for me, pc in enumerate(world.conductors):
            if pc is not None:
                yield from self.conductors.moves(world, me)
        yield from self.environment.moves(world)

    def run(self, *, waits: bool = True) -> Result:
        """Visit states until there is none left, a bound is reached, or something is violated.

        `waits`: whether to look, in the end, for gates that wait for what can never come.
        """
        result = self._result = Result(self.case)
        began = time.monotonic()
        self._states = {self.key(self.first()): 0}
        self.keys, self.parents, self.graph = list(self._states), array("l", [-1]), Graph()
        at, level_end = 0, 1
        while at < len(self.keys) and result.violation is None:
            if at == level_end:
                result.depth, level_end = result.depth + 1, len(self.keys)
            if self._is_at_a_bound(at, result.depth, began):
                break
            self._expand(at)
            at += 1
        result.complete = at >= len(self.keys) and result.violation is None
        if result.complete:
            result.violation = self._of_graph(self.graph)
            result.in_vain = self._in_vain(self.graph) if waits else {}
        result.states, result.seconds = len(self.keys), time.monotonic() - began
        result.gates = tuple(self.conductors.seen)
        result.closed = frozenset(self.conductors.closed)
        return result

    def _is_at_a_bound(self, at: int, depth: int, began: float) -> bool:
        bounds = self.case.bounds
        if at % EVERY == 0:
            self.note(len(self.keys), depth)
        return (
            (bounds.depth is not None and depth >= bounds.depth)
            or (bounds.states is not None and len(self.keys) >= bounds.states)
            or (bounds.seconds is not None and at % 500 == 0 and time.monotonic() - began > bounds.seconds)
        )

    def _expand(self, at: int) -> None:
        """Visit what follows from a state."""
        result, world = self._result, self.world(self.keys[at])
        try:
            moves = list(self.after(world))
        except ImpossibleStepError as why:
            words, worlds = self.trace_to(at)
            broken = Damage("journal", f"the journal describes no path: {why}")
            result.violation = Violation(broken, (*words, broken.words), tuple(worlds))
            return
        for move in moves:
            result.moves += 1
            damage = of_move(self.case, self.conductors, world, move.world)
            if damage is not None:
                result.violation = self._violation(at, move, damage)
                return
            key = self.key(move.world)
            if key not in self._states:
                self._states[key] = len(self.keys)
                self.keys.append(key)
                self.parents.append(at)
                if move.world.ended:
                    result.ends.add(_end(move.world))
            self.graph.add(at, self._states[key], move.kind)

    def _of_graph(self, graph: Graph) -> Violation | None:
        """Return the violation that no single move shows."""
        goal = {n for n, key in enumerate(self.keys) if self.world(key).ended}
        if self.case.bounds.crashes and (at := graph.cannot_reach(goal, len(self.keys))) is not None:
            words, worlds = self.trace_to(at)
            damage = Damage("no-way-back", "from here nothing leads to an end")
            return Violation(damage, (*words, damage.words), tuple(worlds))
        return None

    def _in_vain(self, graph: Graph) -> dict[Removed, Violation]:
        """Return the gates that only their deadline ends, each with the shortest trace."""
        found: dict[Removed, Violation] = {}
        for at in graph.waits_in_vain(len(self.keys)):
            gate = self.conductors.waits_for(self.world(self.keys[at]), 0)
            if gate is not None and gate not in found:
                words, worlds = self.trace_to(at)
                damage = Damage("waits-in-vain", f"only its deadline ends the wait for {gate}")
                found[gate] = Violation(damage, (*words, damage.words), tuple(worlds))
        return found

    def walk(self, seed: int, most: int = 400) -> Violation | None:
        """Walk at random from the beginning; return the violation that it meets."""
        choose = random.Random(seed)  # noqa: S311 - a walk that can be repeated, no secret
        world, trace, worlds = self.first(), [], [self.first()]
        for _ in range(most):
            moves = list(self.after(world))
            if not moves:
                return None
            move = choose.choices(moves, [_RARE if m.kind in _ENDS_A_RUN else 1.0 for m in moves])[0]
            trace.append(move.words)
            if (damage := of_move(self.case, self.conductors, world, move.world)) is not None:
                return Violation(damage, (*trace, damage.words), (*worlds, move.world))
            world = move.world
            worlds.append(world)
        return None

    def trace_to(self, at: int) -> tuple[list[str], list[World]]:
        """Return what leads to a state, in words, and the states."""
        keys, parents = self.keys, self.parents
        path = [at]
        while parents[path[-1]] >= 0:
            path.append(parents[path[-1]])
        path.reverse()
        words, worlds = [], [self.world(keys[path[0]])]
        for before, after in pairwise(path):
            world = self.world(keys[before])
            move = next(m for m in self.after(world) if self.key(m.world) == keys[after])
            words.append(move.words)
            worlds.append(self.world(keys[after]))
        return words, worlds

    def _violation(self, at: int, move: Move, damage: Damage) -> Violation:
        words, worlds = self.trace_to(at)
        return Violation(damage, (*words, move.words, damage.words), (*worlds, move.world))

    def key(self, world: World) -> int:
        """Return the number of a state; parts that can be exchanged are in one order."""
        parts = [self._part(part) for part in world.parts]
        if self._symmetric:
            parts.sort()
        key = 0
        for number in (*parts, *(self._part(pc) for pc in world.conductors), self._part((*world[1:11], world.ended))):
            key = key * _WIDTH + number
        return key * _WIDTH + world.journal

    def world(self, key: int) -> World:
        """Return the state of a number."""
        key, journal = divmod(key, _WIDTH)
        key, rest = divmod(key, _WIDTH)
        numbers = []
        while key:
            key, number = divmod(key, _WIDTH)
            numbers.append(self._known[number])
        numbers.reverse()
        count = self.case.bounds.partitions
        others: tuple[int, ...] = self._known[rest]  # type: ignore[assignment]
        parts: Any = tuple(numbers[:count])
        conductors: Any = tuple(numbers[count:])
        return World(parts, *others[:-1], journal, conductors, others[-1])  # type: ignore[call-arg, arg-type]

    def _part(self, value: object) -> int:
        found = self._parts.get(value)
        if found is None:
            if not self._known:
                self._known.append(None)  # so that no number is 0
            found = self._parts[value] = len(self._known)
            self._known.append(value)
        return found


def _end(world: World) -> tuple[int, ...]:
    return (world.ended, world.producers, world.consumers, world.mirror, world.way)
