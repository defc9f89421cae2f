"""Pause partitions while slower ones catch up, so that few records are buffered for their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cutover_harness.types import PartitionId

HIGH = 64 << 20
LOW = 32 << 20
STEP = 16 << 20


class Alignment:
    """Decides which partitions are paused. `waiting`: the paused ones.

    As soon as more than HIGH bytes are held, partitions beyond a horizon wait, the middle of what is held. It moves on
    when all have reached it, and none waits once less than LOW bytes are held. Where those before it bring much, it
    moves back, with every STEP bytes: seldom, as a client fetches again what it had of a partition that waits.
    """

    def __init__(self) -> None:
        self.waiting: frozenset[PartitionId] = frozenset()
        self._horizon: int | None = None
        self._limit = HIGH

    def update(
        self, held: int, certain: int, reached: Mapping[PartitionId, int], middle: Callable[[], int]
    ) -> tuple[frozenset[PartitionId], frozenset[PartitionId]]:
        """Return the partitions to pause, and those to resume.

        `held`: bytes. `certain`: the due time (ms) up to which the order is certain. `reached`: the due time up to
        which each partition was read. `middle`: of what is held.
        """
        before = self._horizon
        if held < LOW:
            self._horizon, self._limit = None, HIGH
        elif before is not None and certain >= before:
            self._horizon, self._limit = max(middle(), certain), max(HIGH, held + STEP)
        elif held > self._limit:
            self._horizon = max(certain, middle() if before is None else min(before, middle()))
            self._limit = held + STEP
        horizon = self._horizon
        wanted = frozenset() if horizon is None else frozenset(p for p, due in reached.items() if due > horizon)
        change = wanted - self.waiting, self.waiting - wanted
        self.waiting = wanted
        return change
