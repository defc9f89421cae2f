"""Putting recorded segments, each sorted by due time, into the one order of a capture, in bounded memory.

This goes on while the recording does: what is due before anything that can still come has its place already.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cutover_harness.capture.format import SCHEMA

DUE = "due"
SEGMENT_SCHEMA = SCHEMA.append(pa.field(DUE, pa.int64(), nullable=False))
"""A segment has the columns of a capture and the due time (ms), which the order of a whole capture implies."""
ROWS = 65_536
BYTES = 16 << 20
_LOAD_ROWS = 8192
_END = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Segment:
    """A sorted file of records; `first` and `last` are its smallest and largest due time, `rows` its length."""

    file: Path
    first: int
    last: int
    rows: int


class _Run:
    """What is left of one segment: the rows that are loaded, and their due times.

    The segments of a recording are mapped into memory whole. A capture that is gone on with is loaded bit by bit, as
    long as `more` is to come.
    """

    def __init__(self, file: Path) -> None:
        self.more = False
        self._before: int | None = None
        self._loaded = SEGMENT_SCHEMA.empty_table()
        self._batches: Iterator[pa.RecordBatch] = iter(())
        if file.suffix == ".arrow":
            with pa.memory_map(str(file)) as source:
                self._loaded = pa.ipc.open_file(source).read_all()
        else:
            self.more = True
            self._batches = _parquet(file)
        self.due: NDArray[np.int64] = self._loaded.column(DUE).to_numpy()

    @property
    def row_bytes(self) -> float:
        """Mean size of a loaded row."""
        return self._loaded.nbytes / len(self._loaded) if len(self._loaded) else 0.0

    @property
    def upto(self) -> int:
        """The due time before which no row is to come."""
        return int(self.due[-1]) if len(self.due) else -_END

    def load(self) -> None:
        """Append the next batch of a capture to what is loaded."""
        batch = next(self._batches, None)
        if batch is None:
            self.more = False
            return
        table = pa.Table.from_batches([batch])
        # In a capture's order the largest timestamp so far is the due time.
        due = np.maximum.accumulate(table.column("timestamp").to_numpy())
        due = due if self._before is None else np.maximum(due, self._before)
        self._before = int(due[-1])
        table = table.append_column(SEGMENT_SCHEMA.field(DUE), pa.array(due)).cast(SEGMENT_SCHEMA)
        self._loaded = pa.concat_tables([self._loaded, table]) if len(self._loaded) else table
        self.due = np.concatenate([self.due, due])

    def take(self, count: int) -> pa.Table:
        """Remove and return the first rows that are loaded."""
        taken = self._loaded.slice(0, count)
        self._loaded, self.due = self._loaded.slice(count), self.due[count:]
        return taken


def _parquet(file: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(file) as source:
        for group in range(source.num_row_groups):
            yield from source.iter_batches(_LOAD_ROWS, row_groups=[group], use_threads=False)


class Merge:
    """All rows of the segments that are added, by due time; of those due together, earlier segments' come first.

    Only segments that overlap in time are open at once.
    """

    def __init__(self) -> None:
        self._added = 0
        self._waiting: list[tuple[int, int, Path]] = []
        self._runs: dict[int, _Run] = {}

    def add(self, segment: Segment) -> None:
        """Add a segment. None of its rows may be due before what was taken already."""
        heapq.heappush(self._waiting, (segment.first, self._added, segment.file))
        self._added += 1

    def tables(self, before: int | None) -> Iterator[pa.Table]:
        """Yield the rows due before `before` (None: all that are left), in tables that are a row group each.

        With `before`, a last table that would be smaller than the others is left for later.
        """
        limit = _END if before is None else before
        while True:
            ready, wanted = self._ready(limit)
            full = sum(map(len, ready)) == wanted
            latest = max((int(due[-1]) for due in ready if len(due)), default=limit) if full else limit - 1
            if self._waiting and self._waiting[0][0] <= latest:
                _, number, file = heapq.heappop(self._waiting)
                self._runs[number] = _Run(file)
                continue
            if not full:
                loading = [run for run in self._runs.values() if run.more and run.upto < limit]
                if loading:
                    min(loading, key=lambda run: run.upto).load()
                    continue
                if before is not None or not any(map(len, ready)):
                    return
            yield self._take([len(due) for due in ready])

    def _ready(self, limit: int) -> tuple[list[NDArray[np.int64]], int]:
        """Return the due times of the next rows of each open segment, and how many are wanted from all of them."""
        self._runs = {number: self._runs[number] for number in sorted(self._runs) if self._is_left(number)}
        runs = list(self._runs.values())
        wanted = max(1, min(ROWS, int(BYTES / max([1.0, *(run.row_bytes for run in runs)]))))
        limit = min([limit, *(run.upto for run in runs if run.more)])
        next_ = [run.due[:wanted] for run in runs]
        next_ = [due[: int(np.searchsorted(due, limit, "left"))] for due in next_]
        if sum(map(len, next_)) > wanted:
            owner = np.repeat(np.arange(len(next_)), [len(due) for due in next_])
            first = owner[np.argsort(np.concatenate(next_), kind="stable")[:wanted]]
            counts = np.bincount(first, minlength=len(next_))
            next_ = [due[:count] for due, count in zip(next_, counts.tolist(), strict=True)]
        return next_, wanted

    def _is_left(self, number: int) -> bool:
        run = self._runs[number]
        return run.more or len(run.due) > 0

    def _take(self, counts: list[int]) -> pa.Table:
        parts = [run.take(count) for run, count in zip(self._runs.values(), counts, strict=True) if count]
        if len(parts) == 1:
            return parts[0]
        table = pa.concat_tables(parts)
        # Stable, so that rows of one partition that are due together keep their order. Segments have dictionaries of
        # their own, which take() needs to be one.
        order = np.argsort(table.column(DUE).to_numpy(), kind="stable")
        return table.unify_dictionaries().take(pa.array(order))
