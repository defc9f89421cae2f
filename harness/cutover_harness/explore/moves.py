"""What may happen next in a state, in words, and the state that it leads to. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from cutover_harness.explore.world import Part, Pc, World
from cutover_harness.procedure.step import Step


@dataclass(frozen=True)
class Move:
    """Something that a conductor may do next: in words, and the state that it leads to.

    kind: progress, look (a gate was read and stays closed), missed, waits (a deadline that is over), refused.
    """

    words: str
    world: World
    kind: str = "progress"


def moved(world: World, number: int, part: Part, words: str, kind: str) -> Move:
    """Return the move that replaces one part."""
    parts = (*world.parts[:number], part, *world.parts[number + 1 :])
    return Move(words, world._replace(parts=parts), kind)


def with_conductor(world: World, me: int, pc: Pc | None) -> World:
    """Return the state with one conductor replaced; None: it has ended."""
    return world._replace(conductors=tuple(pc if n == me else its for n, its in enumerate(world.conductors)))


def effect_of(step: Step) -> str:
    """Return, in words, what a step writes to the cutover file."""
    return f" (cutover file: {step.moves} = {step.destination})" if step.moves else ""
