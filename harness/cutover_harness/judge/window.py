"""When a run was: times outside of it are a clock's mistake, and no array may be as long as they are far away."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from cutover_harness.judge.facts import RunFacts
from cutover_harness.ledger.columns import Columns, Int64, Mask
from cutover_harness.ledger.format import CLUSTER_NAMES, EVENTS
from cutover_harness.ledger.reader import Ledgers

_HOUR_NS = 3_600_000_000_000
_WEEK_NS = 7 * 24 * _HOUR_NS
_SAMPLE = 1 << 12
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class Window:
    """The time that a run can have taken, [low, high] in ns. Rows outside count, but not in anything about time."""

    low: int = int(_INT64.min)
    high: int = int(_INT64.max)

    def outside(self, times: Int64) -> Mask | None:
        """Return which times are outside, None if none is; shape (times,)."""
        if not len(times) or (self.low <= times.min() and times.max() <= self.high):
            return None
        outside: Mask = (times < self.low) | (times > self.high)
        return outside


@dataclass(frozen=True)
class OddTimes:
    """Rows of one ledger with times outside of the run: how many, and the first by time, stream and sequence."""

    count: int
    first: tuple[int, int, int]
    row: str

    @classmethod
    def of(cls, rows: Columns, topics: tuple[str, ...]) -> "OddTimes":
        """Describe rows that are all odd; there is at least one."""
        at = int(np.lexsort((rows.offset, rows.event, rows.sequence, rows.stream, rows.time_ns))[0])
        where = f"{topics[rows.topic[at]]}/{rows.partition[at]}"
        offset = f" @ {rows.offset[at]}" if rows.offset[at] >= 0 else ""
        row = (
            f"{EVENTS[rows.event[at] - 1]} {CLUSTER_NAMES[int(rows.cluster[at])]} {where}{offset}, "
            f"sequence {rows.sequence[at]}: time_ns {rows.time_ns[at]}"
        )
        return cls(len(rows), (int(rows.time_ns[at]), int(rows.stream[at]), int(rows.sequence[at])), row)

    def merged(self, other: "OddTimes") -> "OddTimes":
        """Return both."""
        first, row = min((self.first, self.row), (other.first, other.row))
        return OddTimes(self.count + other.count, first, row)


def time_window(ledgers: Ledgers, facts: RunFacts) -> Window:
    """Return when the run was, with some room on both sides.

    The facts' start and end decide, with as much time again, or an hour, before and after. Without them it is the
    time of most of a sample of all rows: times that follow one another within a week belong together, with a week
    before and after.
    """
    if 0 < facts.started_ns <= facts.finished_ns:
        room = max(facts.finished_ns - facts.started_ns, _HOUR_NS)
        return Window(facts.started_ns - room, facts.finished_ns + room)
    rows = sum(instance.rows.count for instance in ledgers.instances)
    if not rows:
        return Window()
    sizes = (max(1, _SAMPLE * instance.rows.count // rows) for instance in ledgers.instances)
    samples = [instance.rows.times(size) for instance, size in zip(ledgers.instances, sizes, strict=True)]
    # A ledger counts by its rows, however few or many of them are looked at.
    weights = [
        np.full(len(sample), instance.rows.count / max(1, len(sample)))
        for instance, sample in zip(ledgers.instances, samples, strict=True)
    ]
    times = np.concatenate(samples)
    if not len(times):
        return Window()
    order = np.argsort(times, kind="stable")
    times, weight = times[order], np.concatenate(weights)[order]
    # In floating point a difference cannot overflow, and a week is a week.
    edges = np.flatnonzero(np.diff(times.astype(np.float64)) > _WEEK_NS) + 1
    starts = np.append(0, edges)
    heaviest = int(np.argmax(np.add.reduceat(weight, starts)))
    end = np.append(edges, len(times))[heaviest] - 1
    return Window(int(times[starts[heaviest]]) - _WEEK_NS, int(times[end]) + _WEEK_NS)


def describe(window: Window) -> str:
    """Return the window in words."""
    return f"{_date(window.low)} to {_date(window.high)}"


def _date(time_ns: int) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time_ns // 10**9)
    except OverflowError:
        return str(time_ns)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
