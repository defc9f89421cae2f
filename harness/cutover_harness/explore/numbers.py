"""States as integers: numbers of parts, conductors and of the rest, as tables know them.

No two states are taken for one, and a million states take less than 300 MB.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutover_harness.explore.case import Case
from cutover_harness.explore.world import Part, Pc, World

BITS = 22
MASK = (1 << BITS) - 1


class Numbers:
    """Numbers of one search. A state's number has, from its last bits on: journal, rest, conductors, parts."""

    def __init__(self, case: Case, conductors: int, tells_apart: Callable[[int], bool]) -> None:
        self._partitions, self._conductors = case.bounds.partitions, conductors
        self.parts_shift = BITS * (2 + conductors)
        self._tells_apart = tells_apart
        self._numbers: dict[object, int] = {}
        self._values: list[Any] = []
        # Producers that differ make their partitions differ.
        self._symmetric = self._partitions > 1 and case.fleet in ("shim", "restart", "restarted-group")

    def of(self, value: object) -> int:
        """Return the number of a part, a conductor or a rest."""
        found = self._numbers.get(value)
        if found is None:
            found = self._numbers[value] = len(self._values)
            self._values.append(value)
        return found

    def value(self, number: int) -> Any:
        """Return what has this number."""
        return self._values[number]

    def key(self, world: World) -> int:
        """Return the number of a state; parts that can be exchanged are in one order."""
        key = self.parts(world.parts, ordered=self.ordered(world.conductors, world.journal))
        for pc in world.conductors:
            key = key << BITS | self.of(pc)
        return (key << BITS | self.of(rest(world))) << BITS | world.journal

    def ordered(self, conductors: tuple[Pc | None, ...], journal: int) -> bool:
        """Whether no part can be exchanged: what a gate remembers, or the journal says, is about a certain one."""
        return any(pc is not None and pc.memory for pc in conductors) or self._tells_apart(journal)

    def parts(self, parts: tuple[Part, ...], *, ordered: bool) -> int:
        """Return the bits of parts, which can be exchanged unless they are `ordered`."""
        numbers = [self.of(part) for part in parts]
        if self._symmetric and not ordered:
            numbers.sort()
        bits = 0
        for number in numbers:
            bits = bits << BITS | number
        return bits

    def parts_of(self, bits: int) -> tuple[Part, ...]:
        """Return the parts of these bits."""
        if self._partitions == 1:
            return (self._values[bits],)
        numbers = [bits >> BITS * n & MASK for n in range(self._partitions)]
        return tuple(self._values[number] for number in reversed(numbers))

    def conductors_of(self, key: int) -> tuple[Pc | None, ...]:
        """Return the conductors of a state."""
        numbers = [key >> BITS * (2 + n) & MASK for n in range(self._conductors)]
        return tuple(self._values[number] for number in reversed(numbers))

    def world(self, key: int) -> World:
        """Return the state of a number."""
        others: World = self._values[key >> BITS & MASK]
        parts, conductors = self.parts_of(key >> self.parts_shift), self.conductors_of(key)
        return World(parts, *others[1:11], key & MASK, conductors, others.ended)


def rest(world: World) -> World:
    """Return a state without its parts, journal and conductors."""
    return World((), *world[1:11], ended=world.ended)
