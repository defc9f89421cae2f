"""Rows of several ledgers, without a copy: a row's number counts through all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cutover_harness.judge.runs import Runs, expanded, joined_heads, run_heads
from cutover_harness.ledger.columns import Array, Columns, Int64, Mask, constant, take

_FEW = 64


@dataclass(frozen=True)
class Rows:
    """Rows of ledgers one after the other. instances: number of the ledger, for each row of each part."""

    parts: list[Columns]
    instances: list[Array]

    @classmethod
    def of(cls, parts: list[Columns], instances: list[int]) -> "Rows":
        """Number the rows of some ledgers; parts without rows are left out."""
        filled = [(part, number) for part, number in zip(parts, instances, strict=True) if len(part)]
        numbers = [constant(number, len(part), np.int16) for part, number in filled]
        return cls([part for part, _ in filled], numbers)

    @cached_property
    def bounds(self) -> Int64:
        """The number of each part's first row, and of all rows; shape (parts + 1,)."""
        return np.cumsum([0, *map(len, self.parts)])

    def __len__(self) -> int:
        return int(self.bounds[-1])

    def take(self, rows: Int64) -> Columns:
        """Return some rows, in the order of `rows`."""
        if len(self.parts) == 1:
            return self.parts[0].take(rows)
        order, shares = self._shares(rows)
        return Columns.concat(self.parts[number].take(its) for number, its in shares).take(order)

    def times(self, rows: Int64) -> Int64:
        """Return the times of some rows."""
        if len(self.parts) == 1:
            return take(self.parts[0].time_ns, rows)
        order, shares = self._shares(rows)
        return np.concatenate([np.empty(0, np.int64), *(self.parts[number].time_ns[its] for number, its in shares)])[
            order
        ]

    def instance(self, rows: Int64) -> Array:
        """Return the number of the ledger of some rows."""
        if len(self.parts) == 1:
            return take(self.instances[0], rows)
        owner = np.searchsorted(self.bounds, rows, side="right") - 1
        # Several parts are of one ledger each.
        return np.array([int(numbers[0]) for numbers in self.instances], np.int16)[owner]

    def by_part(self, runs: Runs) -> Iterator[tuple[Columns, Runs]]:
        """Yield each part, and those of the runs that are in it, with their rows counted within it."""
        if len(self.parts) == 1:
            yield self.parts[0], runs
            return
        owner = np.searchsorted(self.bounds, runs.row, side="right") - 1
        for number, part in enumerate(self.parts):
            its = np.flatnonzero(owner == number)
            if len(its):
                yield part, runs.take(its).shifted(-int(self.bounds[number]))

    def logs(self) -> Iterator[tuple[int, int, int, Int64]]:
        """Yield the offsets by cluster, topic and partition; a log may come several times."""
        for part in self.parts:
            yield from by_log(part)

    def _shares(self, rows: Int64) -> tuple[Int64 | slice, list[tuple[int, Int64]]]:
        """Return some rows by part, numbered in it, and the order that all of these have to be brought into."""
        owner = np.searchsorted(self.bounds, rows, side="right") - 1
        order: Int64 | slice = slice(None)
        if not (owner[1:] >= owner[:-1]).all():
            by_owner = np.argsort(owner, kind="stable")
            rows, owner = rows[by_owner], owner[by_owner]
            order = np.empty(len(rows), np.int64)
            order[by_owner] = np.arange(len(rows))
        heads = run_heads(owner)
        ends = [*heads[1:].tolist(), len(rows)]
        numbers = owner[heads].tolist()
        return order, [
            (number, rows[start:end] - self.bounds[number])
            for number, start, end in zip(numbers, heads.tolist(), ends, strict=False)
        ]


def log_heads(part: Columns) -> Int64:
    """Return the rows at which another cluster, topic or partition begins."""
    return joined_heads([run_heads(part.cluster), run_heads(part.topic), run_heads(part.partition)])


def by_log(part: Columns) -> Iterator[tuple[int, int, int, Int64]]:
    """Yield cluster, topic, partition and the offsets there, of all rows; a log may come several times."""
    if not len(part):
        return
    heads = log_heads(part)
    ends = np.append(heads[1:], len(part))
    offsets = part.offset
    if len(heads) > _FEW:
        # Many short stretches: those of one log are brought together.
        order = np.lexsort((part.partition[heads], part.topic[heads], part.cluster[heads]))
        heads, size = heads[order], (ends - heads)[order]
        offsets = offsets[expanded(heads, size)]
        ends = np.cumsum(size)
        changed = _changes(part, heads)
        first = np.flatnonzero(changed)
        start, ends = (ends - size)[first], np.append((ends - size)[first[1:]], len(part))
        heads = heads[first]
    else:
        start = heads
    for head, low, high in zip(heads.tolist(), start.tolist(), ends.tolist(), strict=True):
        yield int(part.cluster[head]), int(part.topic[head]), int(part.partition[head]), offsets[low:high]


def _changes(part: Columns, heads: Int64) -> Mask:
    """Return which of some rows are of another log than the one before."""
    changed = np.ones(len(heads), np.bool_)
    columns = (column[heads] for column in (part.cluster, part.topic, part.partition))
    changed[1:] = np.any([each[1:] != each[:-1] for each in columns], axis=0)
    return changed
