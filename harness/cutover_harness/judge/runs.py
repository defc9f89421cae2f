"""Runs: stretches of rows whose numbers ascend one by one, as three numbers each instead of one for each row."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from cutover_harness.ledger.columns import Array, Int64, Mask, is_constant

#: Rows that are compared at a time: they stay in the processor's cache.
_BLOCK = 1 << 14
#: From so many rows a run on, a slice for each run is faster than a number for each row.
_LONG = 50


@dataclass(frozen=True)
class Runs:
    """Runs in the order of their rows' events: rows `row`, `row + 1`, ... have the numbers `first`, `first + 1`, ...

    row, first, size: shape (runs,). A number of -1 stands for none, in all rows of its run.
    """

    row: Int64
    first: Int64
    size: Int64

    def __len__(self) -> int:
        return len(self.row)

    @property
    def end(self) -> Int64:
        """One more than the last number of each run."""
        return self.first + self.size

    @property
    def total(self) -> int:
        """Number of rows."""
        return int(self.size.sum())

    def take(self, chosen: Array | slice) -> Self:
        """Return some of the runs, in the order of `chosen`."""
        return type(self)(self.row[chosen], self.first[chosen], self.size[chosen])

    def shifted(self, rows: int) -> Self:
        """Return the runs with their rows so many further on."""
        return type(self)(self.row + rows, self.first, self.size) if rows else self

    def listed(self) -> Iterator[tuple[int, int, int]]:
        """Yield row, first number and size of each run."""
        return zip(self.row.tolist(), self.first.tolist(), self.size.tolist(), strict=True)

    @classmethod
    def concat(cls, several: Sequence[Self]) -> Self:
        """Return the runs of all, one after the other."""
        if len(several) == 1:
            return several[0]
        columns = ((_NONE, *(getattr(each, name) for each in several)) for name in ("row", "first", "size"))
        return cls(*(np.concatenate(column) for column in columns))

    def joined(self, *same: Array) -> tuple[Self, Int64]:
        """Join runs that continue the one before; return them, and the first run in each.

        same: what joined runs have in common, shape (runs,) each.
        """
        apart = np.ones(len(self), np.bool_)
        apart[1:] = (self.row[1:] != (self.row + self.size)[:-1]) | (self.first[1:] != self.end[:-1])
        for each in same:
            apart[1:] |= each[1:] != each[:-1]
        if apart.all():
            return self, np.arange(len(self))
        heads = np.flatnonzero(apart)
        return type(self)(self.row[heads], self.first[heads], np.add.reduceat(self.size, heads)), heads

    def rows(self) -> Int64:
        """Return all rows, in the order of the runs."""
        return expanded(self.row, self.size)

    def numbers(self) -> Int64:
        """Return all rows' numbers, in the order of the runs; there must be no run without numbers."""
        return expanded(self.first, self.size)

    @property
    def are_long(self) -> bool:
        """Whether a slice for each run takes less time than a number for each row."""
        return len(self) * _LONG <= self.total

    def mark(self, mask: Mask) -> None:
        """Set the entries of all numbers."""
        if self.are_long:
            for first, end in zip(self.first.tolist(), self.end.tolist(), strict=True):
                mask[first:end] = True
        else:
            mask[self.numbers()] = True

    def assign(self, entries: Array, values: Array) -> None:
        """Set the entries of each run's numbers to the run's value; of several, the last one counts."""
        if self.are_long:
            for (_, first, size), value in zip(self.listed(), values.tolist(), strict=True):
                entries[first : first + size] = value
        else:
            entries[self.numbers()] = np.repeat(values, self.size)

    def copy(self, values: Array, entries: Array) -> None:
        """Copy each row's value to the entry of its number; of several, the last one counts."""
        if self.are_long:
            for row, first, size in self.listed():
                entries[first : first + size] = values[row : row + size]
        else:
            entries[self.numbers()] = values[self.rows()]

    def shared(self) -> tuple[Int64, Int64]:
        """Return the intervals [low, high) of the numbers that more than one row has; ascending and apart."""
        first, end = self.first, self.end
        if (first[1:] >= end[:-1]).all():
            return _NONE, _NONE
        points = distinct(np.concatenate([first, end]))
        covering = np.searchsorted(np.sort(first), points, "right") - np.searchsorted(np.sort(end), points, "right")
        low, high = edges(covering > 1)
        return points[low], points[high]

    def within(self, low: Int64, high: Int64) -> Self:
        """Return the parts of the runs in the intervals [low, high), which ascend and are apart."""
        before, after = np.searchsorted(high, self.first, "right"), np.searchsorted(low, self.end, "left")
        count = np.maximum(after - before, 0)
        run, interval = np.repeat(np.arange(len(self)), count), expanded(before, count)
        first: Int64 = np.maximum(low[interval], self.first[run])
        end: Int64 = np.minimum(high[interval], self.end[run])
        return type(self)(self.row[run] + (first - self.first[run]), first, end - first)

    def cut(self, bounds: Int64) -> tuple[Self, Int64]:
        """Cut the runs at some ascending numbers; return the pieces, and the run that each is from."""
        before, after = np.searchsorted(bounds, self.first, "right"), np.searchsorted(bounds, self.end, "left")
        count = np.maximum(after - before, 0)
        run = np.repeat(np.arange(len(self)), count + 1)
        first = self.first[run]
        at_bound = np.ones(len(run), np.bool_)
        at_bound[np.cumsum(count + 1) - (count + 1)] = False
        first[at_bound] = bounds[expanded(before, count)]
        row = self.row[run] + (first - self.first[run])
        end = self.end[run]
        end[:-1][at_bound[1:]] = first[1:][at_bound[1:]]
        return type(self)(row, first, end - first), run

    def behind(self) -> tuple[Self, Int64]:
        """Return the parts of the runs that come after a greater number, and the greatest number before each."""
        if not len(self):
            return self, _NONE
        latest: Int64 = np.maximum.accumulate(self.end)[:-1] - 1
        later = self.take(slice(1, None))
        size = np.minimum(latest, later.end) - later.first
        late = np.flatnonzero(size > 0)
        return type(self)(later.row[late], later.first[late], size[late]), latest[late]


_NONE = np.empty(0, np.int64)


def expanded(start: Int64, size: Int64) -> Int64:
    """Return `start`, `start + 1`, ... of each pair, `size` of them."""
    total = int(size.sum())
    numbers: Int64 = np.arange(total) + np.repeat(start - (np.cumsum(size) - size), size)
    return numbers


def edges(mask: Mask) -> tuple[Int64, Int64]:
    """Return the beginnings and ends [low, high) of the stretches in which a mask is set."""
    change = np.flatnonzero(mask[1:] != mask[:-1]) + 1
    bounds = np.concatenate(
        [[0] if len(mask) and mask[0] else [], change, [len(mask)] if len(mask) and mask[-1] else []]
    )
    return bounds[::2].astype(np.int64), bounds[1::2].astype(np.int64)


def ascents(values: Int64) -> Int64:
    """Return the rows at which values begin that ascend one by one; 0 is the first of them."""
    found = [_FIRST[: len(values)]]
    for start in range(0, len(values) - 1, _BLOCK):
        block = values[start : start + _BLOCK + 1]
        breaks = np.flatnonzero(block[1:] - block[:-1] != 1)
        if len(breaks):
            found.append(breaks + (start + 1))
    return np.concatenate(found)


def distinct(values: Array) -> Array:
    """Return the different values, ascending; NumPy's `unique` imports masked arrays, which takes 50 ms."""
    ordered = np.sort(values)
    return ordered[run_heads(ordered)]


def among(values: Array, ascending: Array) -> Mask:
    """Return which of some values are among some ascending ones."""
    if not len(ascending):
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: Mask = ascending[at] == values
    return found


def run_heads(values: Array) -> Int64:
    """Return the indices at which a new run of equal values begins; shape (runs,), empty for no values."""
    if not len(values):
        return _NONE
    if is_constant(values):
        return _FIRST
    return np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])


def joined_heads(heads: Iterable[Int64]) -> Int64:
    """Return the union of some ascending arrays of heads; not all of them are of no rows."""
    several = [each for each in heads if len(each) > 1]
    if len(several) < 2:
        return several[0] if several else _FIRST
    return distinct(np.concatenate(several))


_FIRST = np.zeros(1, np.int64)
