"""What follows from a state, by numbers, with everything kept that was found for an earlier state like it.

Clients, mirror and faults look at the parts and the rest of a state, and at little of the conductors. A conductor, and
an operator, look at little of the parts and the rest. `Search.after` finds the same without keeping anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from cutover_harness.explore.case import Case
from cutover_harness.explore.conductor import Conductors
from cutover_harness.explore.environment import Environment
from cutover_harness.explore.graph import KINDS
from cutover_harness.explore.invariants import holds, of_move
from cutover_harness.explore.moves import Move
from cutover_harness.explore.numbers import BITS, MASK, Numbers, rest
from cutover_harness.explore.recording import Answers, Recorder
from cutover_harness.explore.world import Part, World

Following = tuple[int, int, bool]
"""A state that follows: its number, the kind of the move, and whether the move does damage."""
Change = tuple[tuple[int, object], ...]
"""Fields that differ, by their position."""


class Reaction(NamedTuple):
    """A move of a conductor or an operator, for all states in which it looks the same to them.

    parts: what changes in each part, None for nothing at all. begins: the bits of conductors after it. ordered: whether
    no part can be exchanged then. looks: whether it has to be asked if it does damage, as it depends on more than the
    conductor looks at.
    """

    parts: tuple[Change, ...] | None
    rest: Change
    begins: int
    journal: int
    ordered: bool
    kind: int
    looks: bool


@dataclass
class Standing:
    """What is the same in all states with these conductors and this journal."""

    flags: object
    answers: Sequence[tuple[int, Answers[list[Reaction]]]]
    """Of each conductor that runs, by its position, and of the operator: -1."""


class Successors:
    """The moves of one search."""

    def __init__(self, case: Case, conductors: Conductors, environment: Environment, numbers: Numbers) -> None:
        self.case, self.conductors, self.environment, self.numbers = case, conductors, environment, numbers
        self._standings: dict[int, Standing] = {}
        self._surroundings: dict[tuple[int, int, object], list[tuple[int, int, int, bool]]] = {}
        self._changed: dict[tuple[int, Change], int] = {}
        self._recorder = Recorder(case.bounds.partitions)
        self._pcs_mask = (1 << numbers.parts_shift) - (1 << 2 * BITS)

    def of(self, key: int) -> Iterator[Following]:
        """Return what follows from a state. Raises ImpossibleStepError if its journal describes no path."""
        numbers, shift = self.numbers, self.numbers.parts_shift
        number = key >> BITS & MASK
        others: World = numbers.value(number)
        bits, low = key >> shift, key & self._pcs_mask | key & MASK
        standing = self._standings.get(low)
        if standing is None:
            standing = self._standings[low] = self._standing(numbers.world(key))
        original = (*numbers.parts_of(bits), others)
        for who, answers in standing.answers:
            if others.ended and who < 0:
                return  # only what sleeps can still do something
            for reaction in answers.find(original, partial(self._react, key, who), self._recorder):
                following = self._apply(reaction, key, number)
                damages = reaction.looks and self._damages(reaction, key, number)
                yield following, reaction.kind, damages

        surroundings = self._surroundings.get((bits, number, standing.flags))
        if surroundings is None:
            surroundings = self._surrounding(numbers.world(key))
            self._surroundings[bits, number, standing.flags] = surroundings
        for parts, now, kind, damages in surroundings:
            yield parts << shift | low | now << BITS, kind, damages

    def ended(self, key: int) -> bool:
        """Whether the path has ended in a state."""
        return bool(self.numbers.value(key >> BITS & MASK).ended)

    def _standing(self, world: World) -> Standing:
        running = [me for me, pc in enumerate(world.conductors) if pc is not None]
        ordered = self.numbers.ordered(world.conductors, world.journal)
        return Standing((ordered, self.environment.sees(world)), [(who, Answers()) for who in (*running, -1)])

    def _surrounding(self, world: World) -> list[tuple[int, int, int, bool]]:
        """Return the moves of clients, mirror and faults: parts, rest, kind, and whether they do damage."""
        ordered = self.numbers.ordered(world.conductors, world.journal)
        return [
            (
                self.numbers.parts(move.world.parts, ordered=ordered),
                self.numbers.of(rest(move.world)),
                KINDS.index(move.kind),
                of_move(self.case, self.conductors, world, move.world) is not None,
            )
            for move in self.environment.clients(world)
        ]

    def _react(self, key: int, who: int) -> list[Reaction]:
        """Return the moves of one conductor, or of the operator if `who` is -1."""
        original = self.numbers.world(key)
        world = self._recorder.watch(original)
        moves: Iterable[Move] = self.environment.operator(world) if who < 0 else self.conductors.moves(world, who)
        found = []
        for move in list(moves):
            now = move.world
            parts = tuple(_change(was, new) for was, new in zip(original.parts, now.parts, strict=True))
            begins = 0
            for pc in now.conductors:
                begins = begins << BITS | self.numbers.of(pc)
            found.append(
                Reaction(
                    parts=parts if any(parts) else None,
                    rest=_change(rest(original), rest(now)),
                    begins=begins << 2 * BITS,
                    journal=now.journal,
                    ordered=self.numbers.ordered(now.conductors, now.journal),
                    kind=KINDS.index(move.kind),
                    looks=bool(now.ended) or any(holds(self.conductors, original, now)),
                )
            )
        return found

    def _apply(self, reaction: Reaction, key: int, number: int) -> int:
        shift = self.numbers.parts_shift
        bits = key >> shift
        if reaction.parts is not None or self.case.bounds.partitions > 1:
            bits = self.numbers.parts(self._parts_after(reaction, bits), ordered=reaction.ordered)
        if reaction.rest:
            number = self._changing(number, reaction.rest)
        return bits << shift | reaction.begins | number << BITS | reaction.journal

    def _parts_after(self, reaction: Reaction, bits: int) -> tuple[Part, ...]:
        """Return the parts after a move, in the order in which they were before."""
        parts = self.numbers.parts_of(bits)
        if reaction.parts is None:
            return parts
        return tuple(
            self.numbers.value(self._changing(self.numbers.of(part), change)) if change else part
            for part, change in zip(parts, reaction.parts, strict=True)
        )

    def _changing(self, number: int, change: Change) -> int:
        """Return the number of a part, or of a rest, after a change."""
        found = self._changed.get((number, change))
        if found is None:
            value = self.numbers.value(number)
            fields = dict(change)
            new = [fields.get(n, its) for n, its in enumerate(value)]
            found = self.numbers.of(value._make(new))
            self._changed[number, change] = found
        return found

    def _damages(self, reaction: Reaction, key: int, number: int) -> bool:
        after: World = self.numbers.value(self._changing(number, reaction.rest) if reaction.rest else number)
        after = after._replace(
            parts=self._parts_after(reaction, key >> self.numbers.parts_shift),
            journal=reaction.journal,
            conductors=self.numbers.conductors_of(reaction.begins),
        )
        return of_move(self.case, self.conductors, self.numbers.world(key), after) is not None


def _change(was: Sequence[object], now: Sequence[object]) -> Change:
    return tuple((n, new) for n, (old, new) in enumerate(zip(was, now, strict=True)) if old != new)
