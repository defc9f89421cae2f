"""Merge the records of an earlier sitting into the capture that continues it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from cutover_harness.capture.columns import Chunk, chunk_of
from cutover_harness.capture.format import CaptureReader

_ROWS = 8192


class Earlier:
    """The records in the capture `file`, bit by bit. None: there are none.

    `certain`: the due time (ms) that no record still to come is due at or before; None if none is to come.
    """

    def __init__(self, file: Path | None) -> None:
        self._last: int | None = None
        self._batches = iter(()) if file is None else _batches(file)
        self._next: Chunk | None = None
        self._load()

    @property
    def certain(self) -> int | None:
        """Up to which due time none of the records to come is due."""
        return None if self._next is None else int(self._next.due[0]) - 1

    def missing(self, upto: int | None) -> bool:
        """Whether not all of them are due at `upto` (ms) or before, or, None, whether some are still to come."""
        return self._next is not None or (upto is not None and self._last is not None and self._last > upto)

    def take(self) -> Chunk:
        """Return the next records; only if there are some."""
        taken = self._next
        assert taken is not None, "there are none"  # noqa: S101 - a defect of the caller
        self._load()
        return taken

    def _load(self) -> None:
        batch = next(self._batches, None)
        self._next = None if batch is None else chunk_of(batch, self._last)
        if self._next is not None:
            self._last = int(self._next.due[-1])


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    with CaptureReader(file, may_be_empty=True) as reader:
        yield from reader.batches(rows=_ROWS)
