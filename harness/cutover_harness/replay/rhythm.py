"""The rhythm of a capture as it is replayed: how many records are due at which time of a pass.

A report draws it next to what was acknowledged, so that a quiet hour of the capture does not look like an outage.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from cutover_harness.capture.clock import Clock, clock_of
from cutover_harness.capture.format import CaptureReader
from cutover_harness.replay.schedule import Schedule

STEP_S = 0.5
MOST_STEPS = 1200


def rhythm(
    capture: Path, clock_ms: tuple[int, int] | None, speed: float, start_ns: int, topics: Collection[str] = ()
) -> dict[str, Any]:
    """Return when the records of one pass of `capture` are due.

    topics: recorded ones that are replayed; empty: all. Keys of the result: `start_ns`, when the first pass began;
    `loop_s`, the length of a pass; `due`, records by step, all of the same length; `first_ms`, the capture's time at
    which a pass begins. Raises CaptureError for a capture that cannot be read.
    """
    with CaptureReader(capture) as reader:
        clock = clock_of(reader) if clock_ms is None else Clock(*clock_ms)
        schedule = Schedule(clock.first_ms, clock.last_ms, 0, speed, reader.records, clock)
        loop_s = schedule.loop_ms / speed / 1000
        steps = max(1, min(MOST_STEPS, round(loop_s / STEP_S)))
        due = np.zeros(steps, np.int64)
        before: int | None = None
        for batch in reader.batches(columns=["topic", "timestamp"], rows=65_536):
            largest = clock.due_ms(clock.ms(batch.column("timestamp").to_numpy()), before)
            before = int(largest[-1])
            seconds = schedule.due_ns(largest, 0) / 1e9
            if topics:
                seconds = seconds[np.isin(batch.column("topic").to_numpy(zero_copy_only=False), list(topics))]
            due += np.bincount(np.minimum((seconds / loop_s * steps).astype(int), steps - 1), minlength=steps)
    return {"start_ns": start_ns, "loop_s": round(loop_s, 6), "first_ms": clock.first_ms, "due": due.tolist()}
