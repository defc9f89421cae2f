"""The clock of a capture: which of its timestamps determine the timing of a replay.

A timestamp is whatever the producer wrote: another unit, a clock that is a year off, none at all. One such record must
not decide when all the others are due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutover_harness.capture.format import CaptureReader

Times = NDArray[np.int64]
Unit = Literal["s", "us", "ns"]

NEVER = -(1 << 62)
"""A timestamp (ms) before every other."""
_SINCE, _UNTIL = 900_000_000, 4_100_000_000
"""The years 1998 to 2099 in seconds: a number in this range in one unit is outside of it in every other unit."""
_MS_SINCE, _MS_UNTIL = _SINCE * 1000, _UNTIL * 1000
_TO_MS: dict[Unit, Callable[[Times], Times]] = {
    "s": lambda times: times * 1000,
    "us": lambda times: times // 1000,
    "ns": lambda times: times // 1_000_000,
}
_PER_S: dict[Unit, int] = {"s": 1, "us": 1_000_000, "ns": 1_000_000_000}
UNIT_NAMES: dict[Unit, str] = {"s": "seconds", "us": "microseconds", "ns": "nanoseconds"}

AHEAD_MS = 86_400_000
NEAR_MS = 600_000
"""Distance from all others at which a timestamp is always accepted, even in a short capture."""
_FAR = 10
"""Otherwise the accepted distance, as a multiple of the span of all others."""
_FEW = 100
"""At each end of the capture, at most one record in this many may be odd for that reason."""
_MOST = 10_000
EXAMPLES = 10
SHOWN = 3


def recorded_ms(timestamps: Times, now_ms: int) -> Times:
    """Return timestamps in ms as read by a recorder at `now_ms`: NEVER also for those more than a day ahead."""
    times = to_ms(timestamps)
    if int(times.max()) <= now_ms + AHEAD_MS:
        return times
    return np.where(times > now_ms + AHEAD_MS, NEVER, times)


def unit_of(timestamp: int) -> Unit | None:
    """Return the unit of a timestamp that is clearly not in ms, None for any other."""
    for unit, factor in _PER_S.items():
        if _SINCE * factor <= timestamp < _UNTIL * factor:
            return unit
    return None


def to_ms(timestamps: Times) -> Times:
    """Return timestamps in ms: converted if they are clearly in another unit, NEVER if they are no valid time."""
    low, high = int(timestamps.min()), int(timestamps.max())
    if (low >= _MS_SINCE and high < _MS_UNTIL) or (low >= 0 and high < _SINCE):
        return timestamps
    out = np.where((timestamps < 0) | (timestamps >= _MS_UNTIL), NEVER, timestamps)
    for unit, factor in _PER_S.items():
        chosen = (timestamps >= _SINCE * factor) & (timestamps < _UNTIL * factor)
        out[chosen] = _TO_MS[unit](timestamps[chosen])
    return out


class Odd(NamedTuple):
    """A record with an odd timestamp."""

    topic: str
    partition: int
    offset: int
    timestamp: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition} at offset {self.offset} has {self.timestamp}{self._meaning()}"

    def _meaning(self) -> str:
        unit = unit_of(self.timestamp)
        if unit is not None:
            return f" ({_words(int(_TO_MS[unit](np.array([self.timestamp], np.int64))[0]))} in {UNIT_NAMES[unit]})"
        return f" ({_words(self.timestamp)})" if 0 <= self.timestamp < _MS_UNTIL else ""


@dataclass(frozen=True)
class Clock:
    """The time of a capture, in ms.

    `first_ms`, `last_ms`: the span of the timestamps that can be true; records outside of it are due with those before
    them. `odd`: how many records have a timestamp in another unit, outside of the span, or none; `examples`: the first.
    """

    first_ms: int
    last_ms: int
    odd: int = 0
    examples: tuple[Odd, ...] = ()

    @property
    def span_s(self) -> float:
        """Seconds from the first to the last record."""
        return (self.last_ms - self.first_ms) / 1000

    def ms(self, timestamps: Times) -> Times:
        """Return timestamps in ms, NEVER for those outside of the span."""
        times = to_ms(timestamps)
        if int(times.min()) >= self.first_ms and int(times.max()) <= self.last_ms:
            return times
        return np.where((times < self.first_ms) | (times > self.last_ms), NEVER, times)

    def due_ms(self, times: Times, before: int | None) -> Times:
        """Return the due times of records in the order of the capture: the largest time (ms) so far.

        `before`: when the record before them is due, None: they are the first.
        """
        return np.maximum(np.maximum.accumulate(times), self.first_ms if before is None else before)

    def warning(self) -> str | None:
        """Return a warning about odd timestamps in one line, None if there are none."""
        if not self.odd:
            return None
        shown = "; ".join(map(str, self.examples[:SHOWN]))
        more = f"; and {self.odd - SHOWN:,} more" if self.odd > SHOWN else ""
        if self.odd == 1:
            return f"1 record has an odd timestamp, which does not determine the replay's timing: {shown}"
        return f"{self.odd:,} records have odd timestamps, which do not determine the replay's timing: {shown}{more}"


def clock_of(reader: CaptureReader) -> Clock:
    """Return the clock of an open capture. Reads its timestamps only if their span could hide an odd one."""
    low, high = reader.span_ms()
    if high - low <= NEAR_MS and low >= 0 and _plain(low, high):
        return Clock(low, high)
    first, last = _span(reader)
    clock = Clock(first, last)
    odd, examples = 0, list[Odd]()
    if _plain(low, high) and first <= low and high <= last:
        return clock
    for batch in reader.batches(columns=["topic", "partition", "offset", "timestamp"]):
        rows = np.flatnonzero(clock.ms(stamps := batch.column("timestamp").to_numpy()) != stamps)
        odd += len(rows)
        if len(rows) and len(examples) < EXAMPLES:
            examples += _examples(batch, rows[: EXAMPLES - len(examples)])
    return Clock(first, last, odd, tuple(examples))


def _plain(low: int, high: int) -> bool:
    """Whether every timestamp from `low` to `high` is used unchanged."""
    return (low >= _MS_SINCE and high < _MS_UNTIL) or (low >= 0 and high < _SINCE)


def _span(reader: CaptureReader) -> tuple[int, int]:
    """Return the span (ms) without the few timestamps that are far away from all others; (0, 0) without any."""
    few = min(reader.records // _FEW, _MOST)
    lowest, highest = np.empty(0, np.int64), np.empty(0, np.int64)
    for times in _times(reader):
        lowest = np.concatenate([lowest, times])
        highest = np.concatenate([highest, times])
        if len(lowest) > few + 1:
            lowest = np.partition(lowest, few)[: few + 1]
        if len(highest) > few + 1:
            highest = np.partition(highest, len(highest) - few - 1)[-few - 1 :]
    if not len(lowest):
        return 0, 0
    # Between the few lowest and the few highest are most records.
    below, above = np.sort(lowest)[::-1].tolist(), np.sort(highest).tolist()
    first, last = sorted((below[0], above[0]))
    return grown(first, last, below, above)


def grown(first: int, last: int, below: list[int], above: list[int]) -> tuple[int, int]:
    """Return the span `first` to `last`, extended by near timestamps: `below` and `above`, nearest first.

    Near is within ten times the span so far, or within ten minutes.
    """
    down, up = iter(below), iter(above)
    lower, upper = next(down, None), next(up, None)
    while True:
        reach = max(NEAR_MS, _FAR * (last - first))
        if lower is not None and first - lower <= reach:
            first, lower = min(first, lower), next(down, None)
        elif upper is not None and upper - last <= reach:
            last, upper = max(last, upper), next(up, None)
        else:
            return first, last


def _times(reader: CaptureReader) -> Iterator[Times]:
    for batch in reader.batches(columns=["timestamp"], rows=65_536):
        times = to_ms(batch.column(0).to_numpy())
        times = times[times > NEVER]
        if len(times):
            yield times


def _examples(batch: pa.RecordBatch, rows: NDArray[np.int64]) -> list[Odd]:
    found = batch.take(pa.array(rows)).to_pylist()
    return [Odd(each["topic"], each["partition"], each["offset"], each["timestamp"]) for each in found]


def _words(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
