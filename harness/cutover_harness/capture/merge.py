"""Putting recorded segments, each sorted by due time, into the one order of a capture, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
FAN_IN = 32
ROWS = 8192
_END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Segment:
    """A sorted file of records; `first` and `last` are its smallest and largest due time, `rows` its length."""

    file: Path
    first: int
    last: int
    rows: int


class _Run:
    """The not yet merged rest of one segment: what is loaded, and the file behind it."""

    def __init__(self, file: Path) -> None:
        self._file = pq.ParquetFile(file)
        self._batches = self._read()
        self._before: int | None = None
        self.loaded = SEGMENT_SCHEMA.empty_table()
        self.due: NDArray[np.int64] = np.zeros(0, np.int64)
        self.more = True
        self.load()

    def _read(self) -> Iterator[pa.RecordBatch]:
        for group in range(self._file.num_row_groups):
            yield from self._file.iter_batches(ROWS, row_groups=[group], use_threads=False)

    def load(self) -> None:
        """Append the next batch to what is loaded."""
        batch = next(self._batches, None)
        if batch is None:
            self.more = False
            self._file.close()
            return
        table = self._with_due(pa.Table.from_batches([batch]))
        self.loaded = pa.concat_tables([self.loaded, table]) if len(self.loaded) else table
        self.due = np.concatenate([self.due, table.column(DUE).to_numpy()])

    def _with_due(self, table: pa.Table) -> pa.Table:
        if DUE in table.column_names:
            return table.cast(SEGMENT_SCHEMA)
        # A capture that is gone on with: in its order the largest timestamp so far is the due time.
        due = np.maximum.accumulate(table.column("timestamp").to_numpy())
        due = due if self._before is None else np.maximum(due, self._before)
        self._before = int(due[-1])
        return table.append_column(SEGMENT_SCHEMA.field(DUE), pa.array(due)).cast(SEGMENT_SCHEMA)

    def take_below(self, cut: int) -> pa.Table:
        """Remove and return the loaded rows that are due before `cut`."""
        count = int(np.searchsorted(self.due, cut, "left"))
        taken = self.loaded.slice(0, count)
        self.loaded = self.loaded.slice(count)
        self.due = self.due[count:]
        return taken


def merged(segments: Sequence[Segment]) -> Iterator[pa.Table]:
    """Yield all rows of `segments` by due time; rows due together stay in the order of segments, and within each.

    Only segments that overlap in time are open at once, with one batch of each in memory.
    """
    waiting = list(enumerate(segments))
    waiting.sort(key=lambda each: each[1].first, reverse=True)
    runs: dict[int, _Run] = {}
    while waiting or runs:
        limit = min((run.due[-1] for run in runs.values() if run.more), default=_END)
        opening = waiting[-1][1].first if waiting else _END
        cut = min(limit, opening)
        parts = [runs[number].take_below(cut) for number in sorted(runs)]
        yield from _sorted(parts)
        if opening <= limit and waiting:
            number, segment = waiting.pop()
            runs[number] = _Run(segment.file)
        else:
            for run in runs.values():
                if run.more and (not len(run.due) or run.due[-1] <= cut):
                    run.load()
        for number in [n for n, run in runs.items() if not run.more and not len(run.due)]:
            del runs[number]
        if not waiting and not any(run.more for run in runs.values()):
            yield from _sorted([runs[number].loaded for number in sorted(runs)])
            return


def _sorted(parts: list[pa.Table]) -> Iterator[pa.Table]:
    parts = [part for part in parts if len(part)]
    if not parts:
        return
    table = parts[0] if len(parts) == 1 else pa.concat_tables(parts)
    if len(parts) > 1:
        # Stable, so that rows of one partition that are due together keep their order. Batches of different segments
        # have dictionaries of their own, which take() needs to be one.
        order = np.argsort(table.column(DUE).to_numpy(), kind="stable")
        table = table.unify_dictionaries().take(pa.array(order))
    yield table


def overlap(segments: Sequence[Segment]) -> int:
    """Return the largest number of segments that span one moment: how many a merge has open at once."""
    edges = sorted([(s.first, 0) for s in segments] + [(s.last, 1) for s in segments])
    open_now = most = 0
    for _, closes in edges:
        open_now += -1 if closes else 1
        most = max(most, open_now)
    return most


def narrowed(segments: Sequence[Segment], folder: Path) -> list[Segment]:
    """Merge neighbours, into new files in `folder`, until at most FAN_IN segments overlap.

    Neighbours keep their order.
    """
    found = list(segments)
    level = 0
    while overlap(found) > FAN_IN:
        level += 1
        found = [
            _merge_some(found[at : at + FAN_IN], folder / f"merged-{level}-{at // FAN_IN:05}.parquet")
            for at in range(0, len(found), FAN_IN)
        ]
    return found


def _merge_some(segments: Sequence[Segment], file: Path) -> Segment:
    if len(segments) == 1:
        return segments[0]
    with pq.ParquetWriter(file, SEGMENT_SCHEMA, compression="lz4", use_dictionary=["topic"]) as writer:
        for table in merged(segments):
            writer.write_table(table)
    return Segment(file, min(s.first for s in segments), max(s.last for s in segments), sum(s.rows for s in segments))
