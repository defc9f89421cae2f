"""Breadth-first search over all states of a case: the first violation found is one with a shortest trace."""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from cutover_harness.explore.bypass import can_be_accepted
from cutover_harness.explore.case import LOCK, Case, Removed
from cutover_harness.explore.conductor import Conductors
from cutover_harness.explore.environment import Environment
from cutover_harness.explore.graph import Graph
from cutover_harness.explore.invariants import Damage, of_move
from cutover_harness.explore.journals import Journals
from cutover_harness.explore.moves import Move
from cutover_harness.explore.numbers import Numbers
from cutover_harness.explore.successors import Successors
from cutover_harness.explore.world import EARLY, STRAGGLER, Part, World
from cutover_harness.procedure.state import ImpossibleStepError

_ENDS_A_RUN = ("missed", "crash", "operator", "resume", "fault")
_RARE = 0.1
"""How often a walk takes what ends or disturbs a run, next to what lets it go on."""
RESUMED = "the path ends in a state in which no conductor ends that was neither killed nor resumed"
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
    ends: set[tuple[int, ...]] = field(default_factory=set)
    gates: tuple[Removed, ...] = ()
    closed: frozenset[Removed] = frozenset()


class Search:
    """One search. `note` is called with the states and the depth from time to time."""

    def __init__(self, case: Case, note: Callable[[int, int], None] = lambda *_: None) -> None:
        self.case, self.note = case, note
        journals = Journals()
        self.conductors = Conductors(case, journals)
        self.environment = Environment(case, self.conductors)
        numbers = Numbers(case, len(self.first().conductors), journals.tells_apart)
        self.key, self.world = numbers.key, numbers.world
        self.successors = Successors(case, self.conductors, self.environment, numbers)

    def first(self) -> World:
        """Return the state in which everything begins: nothing is produced, and a conductor is about to start."""
        bounds = self.case.bounds
        two = self.case.lacks(LOCK) or self.case.takes_over
        return World(
            parts=tuple(Part() for _ in range(bounds.partitions)),
            faults=bounds.faults,
            conductors=(None, None) if two else (None,),
        )

    def after(self, world: World) -> Iterator[Move]:
        """Return all moves from a state."""
        for me, pc in enumerate(world.conductors):
            if pc is not None:
                yield from self.conductors.moves(world, me)
        if world.ended:
            return
        yield from self.environment.operator(world)
        yield from self.environment.clients(world)

    def run(self, *, waits: bool = True) -> Result:
        """Visit states until there is none left, a bound is reached, or something is violated.

        `waits`: whether to look, in the end, for gates that wait for what can never come, and for ends that only a
        conductor that was killed or resumed reaches.
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
            if waits and result.violation is None:
                result.violation = self._of_resumed(self.graph) or self._in_vain(self.graph)
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
        result, states, keys = self._result, self._states, self.keys
        try:
            following = list(self.successors.of(keys[at]))
        except ImpossibleStepError as why:
            words, worlds = self.trace_to(at)
            broken = Damage("journal", f"the journal describes no path: {why}")
            result.violation = Violation(broken, (*words, broken.words), tuple(worlds))
            return
        result.moves += len(following)
        for key, kind, damages in following:
            if damages:
                result.violation = self._violation(at)
                return
            number = states.get(key)
            if number is None:
                number = states[key] = len(keys)
                keys.append(key)
                self.parents.append(at)
                if self.successors.ended(key):
                    result.ends.add(_end(self.world(key)))
            self.graph.add(at, number, kind)

    def _of_graph(self, graph: Graph) -> Violation | None:
        """Return the violation that no single move shows."""
        goal = {n for n, key in enumerate(self.keys) if self.successors.ended(key)}
        if self.case.bounds.crashes and (at := graph.cannot_reach(goal, len(self.keys))) is not None:
            words, worlds = self.trace_to(at)
            damage = Damage("no-way-back", "from here nothing leads to an end")
            return Violation(damage, (*words, damage.words), tuple(worlds))
        return None

    def _of_resumed(self, graph: Graph) -> Violation | None:
        """Return that a conductor that was killed or resumed ends in a state in which no undisturbed one ends."""
        if not self.case.bounds.crashes or self.case.lacks(LOCK):
            return None
        undisturbed = graph.undisturbed(len(self.keys))
        ends = [n for n, key in enumerate(self.keys) if self.successors.ended(key)]
        allowed = {self._end_of(n) for n in ends if undisturbed[n]}

        def is_allowed(end: World) -> bool:
            """Whether an undisturbed conductor ends there, after no more faults."""
            return any(end._replace(faults=left) in allowed for left in range(end.faults, self.case.bounds.faults + 1))

        at = next((n for n in ends if not self._has_strangers(n) and not is_allowed(self._end_of(n))), None)
        if at is None:
            return None
        words, worlds = self.trace_to(at)
        damage = Damage("resumed", RESUMED)
        return Violation(damage, (*words, damage.words), tuple(worlds))

    def _has_strangers(self, at: int) -> bool:
        """Whether a stranger has written: a conductor that resumes a begun move looks for it less than at the first."""
        return any(
            record in (STRAGGLER, EARLY) for p in self.world(self.keys[at]).parts for record in p.source + p.target
        )

    def _end_of(self, at: int) -> World:
        """Return the end of a path as it is compared: clients, offsets, logs and document, without the way there."""
        world = self.world(self.keys[at])
        return world._replace(ended=0, generation=0, journal=0, conductors=(), parts=tuple(sorted(world.parts)))

    def _in_vain(self, graph: Graph) -> Violation | None:
        """Return that a gate waits for what can never come, so that only its deadline ends the wait.

        Not if a person can end it: a bypass closes gates until somebody accepts it with `run --accept-bypass`.
        """
        if self.case.lacks(LOCK):
            return None
        for at in graph.waits_in_vain(len(self.keys)):
            world = self.world(self.keys[at])
            gate = self.conductors.waits_for(world, 0)
            state = self.conductors.state_before(world, 0)
            if gate is None or can_be_accepted(self.case, world, state, gate.gate):
                continue
            words, worlds = self.trace_to(at)
            damage = Damage("waits-in-vain", f"only its deadline ends the wait for {gate}")
            return Violation(damage, (*words, damage.words), tuple(worlds))
        return None

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

    def _violation(self, at: int) -> Violation:
        """Return the violation that a move from a state is."""
        words, worlds = self.trace_to(at)
        before = worlds[-1]
        for move in list(self.after(before)):
            if (damage := of_move(self.case, self.conductors, before, move.world)) is not None:
                return Violation(damage, (*words, move.words, damage.words), (*worlds, move.world))
        raise AssertionError("a move does damage, and none does")


def _end(world: World) -> tuple[int, ...]:
    return (world.ended, world.producers, world.consumers, world.mirror, world.way)
