"""Which partitions wait while slower ones catch up, so that the records that are held for their order stay few."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cutover_harness.capture.columns import Partition

HIGH = 64 << 20
LOW = 32 << 20


class Alignment:
    """Decides which partitions are not read for now. `waiting`: these.

    As soon as more than HIGH bytes are held, partitions beyond a horizon wait, until the others have reached it or less
    than LOW bytes are held: a client fetches again what it had of a partition that waits, so it should not be often.
    The horizon is the middle of what is held, and where that does not help, the slowest partition.
    """

    def __init__(self) -> None:
        self.waiting: frozenset[Partition] = frozenset()
        self._horizon: int | None = None

    def update(
        self, held: int, certain: int, reached: Mapping[Partition, int], middle: Callable[[], int]
    ) -> tuple[frozenset[Partition], frozenset[Partition]]:
        """Return which partitions are to wait from now on, and which no longer.

        `held`: bytes. `certain`: the due time (ms) up to which the order is certain. `reached`: the due time up to
        which each partition was read. `middle`: of what is held.
        """
        before = self._horizon
        if held < LOW:
            self._horizon = None
        elif before is not None and certain > before:
            self._horizon = max(middle(), certain)
        elif held > HIGH:
            now = certain if held > HIGH + LOW else max(middle(), certain)
            self._horizon = now if before is None else min(before, now)
        horizon = self._horizon
        wanted: frozenset[Partition] = frozenset()
        if horizon is not None:
            still = {where for where in self.waiting if reached.get(where, certain) > certain}
            wanted = frozenset(still.union(where for where, due in reached.items() if due > horizon))
        change = wanted - self.waiting, self.waiting - wanted
        self.waiting = wanted
        return change
