"""The order in which the members of a group were delivered each stream."""

import numpy as np

from cutover_harness.judge.rows import Rows
from cutover_harness.judge.runs import Runs, distinct, expanded, run_heads
from cutover_harness.ledger.columns import Array, Columns, Int64, Mask, UInt64


def in_order(parts: list[Columns], instances: list[int]) -> tuple[Columns, Array]:
    """Return all rows by stream and in each by time, and the number of the ledger that each is from."""
    rows, pieces = arranged(parts, instances)
    if pieces is None:
        return (rows.parts[0], rows.instances[0]) if rows.parts else (Columns.empty(), np.empty(0, np.int16))
    order = expanded(pieces[0], pieces[1])
    return rows.take(order), rows.instance(order)


def arranged(parts: list[Columns], instances: list[int]) -> tuple[Rows, tuple[Int64, Int64] | None]:
    """Return all rows, and the order of pieces of them: by stream, and in each by time.

    Each part is of one process, sorted by stream; those of a process follow one another. In a process the ledger's
    order counts and not the clock's; between processes time decides, and at the same time the process that comes first
    in `parts`. The pieces are their first rows and their lengths; None: the rows are in order already.
    """
    rows = Rows.of(parts, instances)
    parts = rows.parts
    if len(parts) < 2:
        return rows, None
    if len(set(instances)) == 1:
        return rows, None
    times = steady_times(parts, [int(numbers[0]) for numbers in rows.instances])
    heads = [run_heads(part.stream) for part in parts]
    part_of = np.repeat(np.arange(len(parts)), [len(head) for head in heads])
    start = np.concatenate(heads)
    end = np.concatenate([np.append(head[1:], len(part)) for head, part in zip(heads, parts, strict=True)])
    stream = np.concatenate([part.stream[head] for part, head in zip(parts, heads, strict=True)])
    first = np.concatenate([time[head] for time, head in zip(times, heads, strict=True)])
    last = np.concatenate([time[np.append(head[1:], len(time)) - 1] for time, head in zip(times, heads, strict=True)])
    pieces = np.lexsort((part_of, first, stream))
    if not _overlap(stream[pieces], first[pieces], last[pieces], part_of[pieces]):
        # Members took over from each other: whole pieces follow one another, and no row needs to be compared.
        return rows, ((start + rows.bounds[part_of])[pieces], (end - start)[pieces])
    together = Columns.concat(parts)
    order = np.argsort(np.concatenate(times), kind="stable")
    order = order[np.argsort(together.stream[order], kind="stable")]
    return Rows([together.take(order)], [np.concatenate(rows.instances)[order]]), None


def sorted_runs(runs: Runs, pieces: tuple[Int64, Int64]) -> Int64:
    """Return the order of runs, none of which is in two pieces, that follows from the order of the pieces."""
    by_row = np.argsort(pieces[0])  # the pieces' places in their order, by row
    piece = by_row[np.searchsorted(pieces[0][by_row], runs.row, side="right") - 1]
    return np.argsort(piece, kind="stable")


def _overlap(stream: Array, first: Int64, last: Int64, part: Int64) -> bool:
    """Return whether some run begins before the run of the same stream that comes before it has ended."""
    again = stream[1:] == stream[:-1]
    mixed: Mask = again & ((last[:-1] > first[1:]) | ((last[:-1] == first[1:]) & (part[:-1] > part[1:])))
    return bool(mixed.any())


def steady_times(parts: list[Columns], instances: list[int]) -> list[Int64]:
    """Return times that do not go back within a stream of a ledger, for each part."""
    clocks: dict[int, Clock] = {}
    return [clocks.setdefault(number, Clock()).steady(part) for part, number in zip(parts, instances, strict=True)]


class Clock:
    """The clock of a process, as its ledger shows it part by part: where it was set back, it stands."""

    def __init__(self) -> None:
        self._stream: int | None = None
        self._time = 0

    def steady(self, part: Columns) -> Int64:
        """Return times that do not go back within a stream, also not behind the part before; parts have rows."""
        times = part.time_ns
        if self._stream == int(part.stream[0]) and times[0] < self._time:
            times = times.copy()
            times[0] = self._time
        times = _steady(times, part.stream)
        self._stream, self._time = int(part.stream[-1]), int(times[-1])
        return times


def _steady(times: Int64, stream: UInt64) -> Int64:
    back = times[1:] < times[:-1]
    if not back.any():
        return times
    heads = run_heads(stream)
    edges = np.append(heads, len(times))
    back[heads[1:] - 1] = False  # from one stream to the next
    if not back.any():
        return times
    times = times.copy()
    for run in distinct(np.searchsorted(heads, np.flatnonzero(back), side="right") - 1):
        rows = slice(int(edges[run]), int(edges[run + 1]))
        times[rows] = np.maximum.accumulate(times[rows])
    return times
