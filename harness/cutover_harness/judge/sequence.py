"""The order in which the members of a group were delivered each stream."""

import numpy as np

from cutover_harness.judge.record_index import run_heads
from cutover_harness.ledger.columns import Array, Columns, Int64, Mask

_FEW_RUNS = 1 << 10


def in_order(parts: list[Columns], instances: list[int]) -> tuple[Columns, Array]:
    """Return all rows by stream and in each by time, and the number of the ledger that each is from.

    Each part is one process's rows, sorted by stream. In a process the ledger's order counts and not the clock's;
    between processes time decides, and at the same time the process that comes first in `parts`.
    """
    filled = [(part, number) for part, number in zip(parts, instances, strict=True) if len(part)]
    if not filled:
        return Columns.empty(), np.empty(0, np.int16)
    parts = [part for part, _ in filled]
    numbers = [np.broadcast_to(np.int16(number), (len(part),)) for part, number in filled]
    if len(parts) == 1:
        return parts[0], numbers[0]
    times = [steady(part) for part in parts]
    heads = [run_heads(part.stream) for part in parts]
    part_of = np.repeat(np.arange(len(parts)), [len(head) for head in heads])
    start = np.concatenate(heads)
    end = np.concatenate([np.append(head[1:], len(part)) for head, part in zip(heads, parts, strict=True)])
    stream = np.concatenate([part.stream[head] for part, head in zip(parts, heads, strict=True)])
    first = np.concatenate([time[head] for time, head in zip(times, heads, strict=True)])
    last = np.concatenate([time[np.append(head[1:], len(time)) - 1] for time, head in zip(times, heads, strict=True)])
    runs = np.lexsort((part_of, first, stream))
    if not _overlap(stream[runs], first[runs], last[runs], part_of[runs]):
        # Members took over from each other: whole runs follow one another, and no row needs to be compared.
        begin = np.cumsum([0, *map(len, parts)])[part_of]
        return _by_runs(parts, numbers, (start + begin)[runs], (end + begin)[runs])
    together = Columns.concat(parts)
    order = np.argsort(np.concatenate(times), kind="stable")
    order = order[np.argsort(together.stream[order], kind="stable")]
    return together.take(order), np.concatenate(numbers)[order]


def _overlap(stream: Array, first: Int64, last: Int64, part: Int64) -> bool:
    """Return whether some run begins before the run of the same stream that comes before it has ended."""
    again = stream[1:] == stream[:-1]
    mixed: Mask = again & ((last[:-1] > first[1:]) | ((last[:-1] == first[1:]) & (part[:-1] > part[1:])))
    return bool(mixed.any())


def _by_runs(parts: list[Columns], numbers: list[Array], start: Int64, end: Int64) -> tuple[Columns, Array]:
    bounds = np.cumsum([0, *map(len, parts)])
    if len(start) <= _FEW_RUNS:
        owner = np.searchsorted(bounds, start, side="right") - 1
        pieces = [
            (int(p), slice(int(s - bounds[p]), int(e - bounds[p]))) for p, s, e in zip(owner, start, end, strict=True)
        ]
        return Columns.concat(parts[p].take(rows) for p, rows in pieces), np.concatenate(
            [numbers[p][rows] for p, rows in pieces]
        )
    size = end - start
    order = np.arange(int(size.sum())) + np.repeat(start - (np.cumsum(size) - size), size)
    return Columns.concat(parts).take(order), np.concatenate(numbers)[order]


def steady(part: Columns) -> Int64:
    """Return times that do not go back within a stream."""
    times = part.time_ns
    back = times[1:] < times[:-1]
    if not back.any():
        return times
    heads = run_heads(part.stream)
    edges = np.append(heads, len(times))
    back[heads[1:] - 1] = False  # from one stream to the next
    if not back.any():
        return times
    times = times.copy()
    for run in np.unique(np.searchsorted(heads, np.flatnonzero(back), side="right") - 1):
        stream = slice(int(edges[run]), int(edges[run + 1]))
        times[stream] = np.maximum.accumulate(times[stream])
    return times
