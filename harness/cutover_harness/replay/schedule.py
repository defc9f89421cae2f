"""Due times: pure functions from recorded timestamps to times of the replay.

A record is due when the largest timestamp up to it, in the order of the capture, has come, odd ones left out. So due
times never go back, bursts stay bursts, and no record overtakes another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutover_harness.capture.clock import Clock

NS_PER_MS = 1_000_000
_LATEST_NS = 1 << 62
Times = NDArray[np.int64]


@dataclass(frozen=True)
class Schedule:
    """Maps a capture's clock (ms) to the replay's (ns since the epoch).

    `first_ms`, `last_ms`: the span of the capture that is replayed. `start_ns`: when `first_ms` is due. `speed`: how
    many times faster than recorded, None as fast as possible (everything is due at the start). `records`: how many
    there are, for the pause between two loops, which is the mean distance of two records. `clock`: of the capture.
    """

    first_ms: int
    last_ms: int
    start_ns: int
    speed: float | None
    records: int
    clock: Clock

    @property
    def loop_ms(self) -> float:
        """Recorded time from the start of one loop to the start of the next."""
        span = self.last_ms - self.first_ms
        return span + max(1.0, span / max(1, self.records - 1))

    def due_ns(self, largest_ms: Times, loop: int) -> Times:
        """Return the due times of a batch's records in the `loop`th pass (from 0)."""
        if self.speed is None:
            return np.zeros(len(largest_ms), np.int64)
        return self.start_ns + self._after_ns(largest_ms, loop)

    def stamps_ms(self, timestamps: Times, loop: int) -> Times:
        """Return the timestamps to produce: the recorded distances, scaled by speed, from the start on.

        With `speed` None they are the recorded ones shifted so that the last one is at the start: brokers refuse the
        far future (`message.timestamp.after.max.ms`), and records of the distant past would fall to retention.
        """
        if self.speed is None:
            back = self.start_ns // NS_PER_MS - self.last_ms
            return timestamps + back
        return (self.start_ns + self._after_ns(timestamps, loop)) // NS_PER_MS

    def _after_ns(self, timestamps: Times, loop: int) -> Times:
        assert self.speed is not None  # noqa: S101 - both callers have asked
        elapsed_ms = (timestamps - self.first_ms) + loop * self.loop_ms
        elapsed_ns = np.minimum(elapsed_ms * (NS_PER_MS / self.speed), _LATEST_NS)
        return elapsed_ns.astype(np.int64)  # type: ignore[no-any-return]
