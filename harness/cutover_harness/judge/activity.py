"""When things happened, in few numbers: events per bucket of time, with the first and the last time in each."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from cutover_harness.judge.runs import run_heads
from cutover_harness.ledger.columns import Array, Int64, Mask

_FINEST_NS = 1_000_000
_MAX_BUCKETS = 1 << 17
#: From so many events a bucket on, its edges are searched instead of dividing each time.
_MANY = 4
_NEVER_FIRST, _NEVER_LAST = np.iinfo(np.int64).max, np.iinfo(np.int64).min


class Source(NamedTuple):
    """Whose events: the acks of an instance, its acks on the topics of one route, or the deliveries to a group."""

    kind: Literal["acks", "route-acks", "deliveries"]
    who: str
    cluster: int
    route: str = ""


@dataclass(frozen=True)
class Activity:
    """Events by time. A gap between events that is longer than `width_ns` is exact, a shorter one is not resolved.

    The width is the smallest of 1 ms, 10 ms, 100 ms, ... with which the whole span fits in 131,072 buckets, so it and
    all that follows from it depend on the events alone and not on the order of merging.
    start: number of the first bucket since the epoch. count, first, last: shape (buckets,); first and last in ns.
    """

    width_ns: int
    start: int
    count: Int64
    first: Int64
    last: Int64

    @classmethod
    def of(cls, *times: Int64) -> "Activity | None":
        """Sort events into buckets; None without events. times: some arrays, each of which should rather ascend."""
        times = tuple(each for each in times if len(each))
        if not times:
            return None
        ascend = [bool((each[1:] >= each[:-1]).all()) for each in times]
        bounds = [
            (int(each[0]), int(each[-1])) if ascends else (int(each.min()), int(each.max()))
            for each, ascends in zip(times, ascend, strict=True)
        ]
        low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
        width = bucket_width(low, high, _FINEST_NS)
        found = cls.empty(width, low // width, high // width - low // width + 1)
        for each, ascends, (first, last) in zip(times, ascend, bounds, strict=True):
            if ascends and last // width - first // width < len(each) // _MANY:
                found.add_ascending(each, first // width, last // width)
            else:
                found.add(each, ascends=ascends)
        return found

    def add(self, times: Int64, *, ascends: bool) -> None:
        """Add times, which are in the buckets. ascends: whether they do."""
        bucket = times // self.width_ns
        bucket -= self.start
        head = run_heads(bucket)
        place = bucket[head]
        np.add.at(self.count, place, np.diff(head, append=len(times)))
        if ascends:
            first, last = times[head], times[np.append(head[1:], len(times)) - 1]
        else:
            first, last = np.minimum.reduceat(times, head), np.maximum.reduceat(times, head)
        np.minimum.at(self.first, place, first)
        np.maximum.at(self.last, place, last)

    def add_ascending(self, times: Int64, start: int, end: int) -> None:
        """Add ascending times, which are in the buckets [start, end], by searching their edges."""
        edges = np.searchsorted(times, np.arange(start, end + 1) * self.width_ns)
        sizes = np.diff(edges, append=len(times))
        filled = np.flatnonzero(sizes)
        self.count[start - self.start : end + 1 - self.start] += sizes
        place, begin = filled + (start - self.start), edges[filled]
        self.first[place] = np.minimum(self.first[place], times[begin])
        self.last[place] = np.maximum(self.last[place], times[begin + sizes[filled] - 1])

    @classmethod
    def empty(cls, width: int, start: int, buckets: int) -> "Activity":
        """Return buckets without events."""
        first, last = np.full(buckets, _NEVER_FIRST, np.int64), np.full(buckets, _NEVER_LAST, np.int64)
        return cls(width, start, np.zeros(buckets, np.int64), first, last)

    def merged(self, other: "Activity") -> "Activity":
        """Return the events of both."""
        low = min(int(self.first.min()), int(other.first.min()))
        high = max(int(self.last.max()), int(other.last.max()))
        width = bucket_width(low, high, max(self.width_ns, other.width_ns))
        result = Activity.empty(width, low // width, high // width - low // width + 1)
        for part in (self.coarser(width), other.coarser(width)):
            place = slice(part.start - result.start, part.start - result.start + len(part.count))
            result.count[place] += part.count
            np.minimum(result.first[place], part.first, out=result.first[place])
            np.maximum(result.last[place], part.last, out=result.last[place])
        return result

    def coarser(self, width: int) -> "Activity":
        """Return the same events in buckets of `width` ns, a multiple of this width."""
        if width == self.width_ns:
            return self
        bucket = (np.arange(len(self.count)) + self.start) // (width // self.width_ns)
        head = run_heads(bucket)
        return Activity(
            width,
            int(bucket[0]),
            np.add.reduceat(self.count, head),
            np.minimum.reduceat(self.first, head),
            np.maximum.reduceat(self.last, head),
        )

    @property
    def filled(self) -> Mask:
        """Which buckets have events; shape (buckets,)."""
        return self.count > 0

    def gaps(self) -> tuple[Int64, Int64]:
        """Return when each time without events between two buckets that have some began and ended, in ns."""
        filled = self.filled
        return self.last[filled][:-1], self.first[filled][1:]

    def count_between(self, low_ns: Int64, high_ns: Int64) -> Array:
        """Return about how many events lie in each `[low_ns, high_ns)`; a bucket that is cut counts by its share."""
        total = np.concatenate([[0], np.cumsum(self.count)])
        below, above = (
            np.interp(edges / self.width_ns - self.start, np.arange(len(total)), total) for edges in (low_ns, high_ns)
        )
        counts: Array = above - below
        return counts

    def per_step(self, start_ns: int, steps: int, step_ns: int) -> list[int]:
        """Return the number of events in each of `steps` steps; `step_ns` is a multiple of the width."""
        place = ((np.arange(len(self.count)) + self.start) * self.width_ns - start_ns) // step_ns
        counts: list[int] = np.bincount(place, weights=self.count, minlength=steps).astype(np.int64)[:steps].tolist()
        return counts


def bucket_width(low: int, high: int, width: int) -> int:
    """Return the least width, from `width` on in steps of ten, with which [low, high] is at most 131,072 buckets."""
    while high // width - low // width >= _MAX_BUCKETS:
        width *= 10
    return width


def merge_activity(one: Activity | None, other: Activity | None) -> Activity | None:
    """Return the events of both; None has none."""
    if one is None or other is None:
        return other if one is None else one
    return one.merged(other)
