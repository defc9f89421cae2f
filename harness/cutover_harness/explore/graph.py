"""All moves of a search, for what no single move shows: what can be reached from where."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

KINDS = ("progress", "look", "client", "fault", "operator", "crash", "missed", "refused", "resume")
UNDISTURBED = tuple(kind for kind in KINDS if kind not in ("crash", "resume"))
"""Moves of a conductor that is neither killed nor resumed."""


class Graph:
    """Moves between the states of a search, by number."""

    def __init__(self) -> None:
        self._begins, self._ends, self._kinds = array("l"), array("l"), array("b")

    def add(self, begin: int, end: int, kind: int) -> None:
        """Note a move; `kind` is its position in `KINDS`."""
        self._begins.append(begin)
        self._ends.append(end)
        self._kinds.append(kind)

    def cannot_reach(self, goal: Iterable[int], states: int) -> int | None:
        """Return the first state from which no moves lead to one of `goal`, None if there is none."""
        reached = self._backward(goal, states, KINDS)
        return next((n for n in range(states) if not reached[n]), None)

    def undisturbed(self, states: int) -> bytearray:
        """Return which states are reached from the first one if no conductor is killed or resumed."""
        wanted = {KINDS.index(kind) for kind in UNDISTURBED}
        starts = array("l", bytes(8 * (states + 1)))
        for begin in self._begins:
            starts[begin + 1] += 1
        for n in range(states):
            starts[n + 1] += starts[n]
        reached, queue = bytearray(states), [0]
        reached[0] = 1
        while queue:
            n = queue.pop()
            for at in range(starts[n], starts[n + 1]):  # a state's moves follow each other, as it is visited once
                end = self._ends[at]
                if not reached[end] and self._kinds[at] in wanted:
                    reached[end] = 1
                    queue.append(end)
        return reached

    def waits_in_vain(self, states: int) -> list[int]:
        """Return the states in which a gate waits, and nothing that may come opens it or lets it refuse.

        Only its deadline, a fault, or an operator ends that wait.
        """
        ends, missed = {KINDS.index("progress"), KINDS.index("refused")}, KINDS.index("missed")
        answers = {b for b, kind in zip(self._begins, self._kinds, strict=True) if kind in ends}
        waits = sorted({b for b, kind in zip(self._begins, self._kinds, strict=True) if kind == missed} - answers)
        hopes = self._backward(answers, states, ("progress", "look", "client"))
        return [n for n in waits if not hopes[n]]

    def _backward(self, goal: Iterable[int], states: int, kinds: Sequence[str]) -> bytearray:
        """Return which states lead to one of `goal` by moves of these kinds."""
        wanted = {KINDS.index(kind) for kind in kinds}
        chosen = [n for n, kind in enumerate(self._kinds) if kind in wanted]
        starts = array("l", bytes(8 * (states + 1)))
        for n in chosen:
            starts[self._ends[n] + 1] += 1
        for n in range(states):
            starts[n + 1] += starts[n]
        fill, into = array("l", starts), array("l", bytes(8 * len(chosen)))
        for n in chosen:
            end = self._ends[n]
            into[fill[end]] = self._begins[n]
            fill[end] += 1
        reached, queue = bytearray(states), list(goal)
        for n in queue:
            reached[n] = 1
        while queue:
            n = queue.pop()
            for before in into[starts[n] : starts[n + 1]]:
                if not reached[before]:
                    reached[before] = 1
                    queue.append(before)
        return reached
