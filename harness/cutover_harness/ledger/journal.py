"""The journal on disk, while a process runs or after it was killed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cutover_harness.ledger.columns import (
    ALL_STREAMS,
    Array,
    Columns,
    Int64,
    Mask,
    UInt64,
    by_stream,
    in_range,
    is_control,
)
from cutover_harness.ledger.errors import LedgerError
from cutover_harness.ledger.files import reading, require_file
from cutover_harness.ledger.format import (
    HEADER_SIZE,
    MAGIC,
    RANGES,
    ROW,
    ROW_DTYPE,
    TARGET,
    UNKNOWN,
    VERSION,
)

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Extent:
    """The valid part of a journal's file. slots: row positions up to the last valid row; events: valid rows.

    torn: rows that a kill left unfinished, in the tail or, with several threads, between valid rows.
    """

    slots: int
    events: int
    torn: int


class JournalRows:
    """Rows of a journal, memory-mapped: only requested rows are read."""

    def __init__(self, path: Path, topics: tuple[str, ...], extent: Extent) -> None:
        self.path = path
        self.topics = topics
        self.extent = extent

    @property
    def count(self) -> int:
        """Number of events."""
        return self.extent.events

    def records(self, low: int, high: int) -> Columns:
        """Return the rows of records in the streams [low, high], by stream, each in the ledger's order."""
        everything = (low, high) == ALL_STREAMS
        parts = []
        for rows in self._chunks():
            event = np.ascontiguousarray(rows["event"])
            chosen = (event != 0) & ~is_control(event)
            if not everything:
                chosen &= in_range(np.ascontiguousarray(rows["stream"]), low, high)
            if chosen.any():
                parts.append(Columns.of_rows(rows[chosen]))
        return by_stream(Columns.concat(parts))

    def pieces(self, low: int, high: int) -> Iterator[Columns]:
        """Return the rows of `records`, all of them at a time."""
        yield self.records(low, high)

    def control(self) -> Columns:
        """Return the rows of commits and assignments in the ledger's order."""
        parts = []
        for rows in self._chunks():
            chosen = is_control(np.ascontiguousarray(rows["event"]))
            if chosen.any():
                parts.append(Columns.of_rows(rows[chosen]))
        return Columns.concat(parts)

    def everything(self) -> Columns:
        """Return all rows in the ledger's order."""
        return Columns.concat(Columns.of_rows(rows[rows["event"] != 0]) for rows in self._chunks())

    def sample(self, size: int) -> UInt64:
        """Return the streams of up to about `size` records, evenly spread over the ledger."""
        rows = self._map()[:: max(1, self.extent.slots // size)]
        event = np.ascontiguousarray(rows["event"])
        streams: UInt64 = np.ascontiguousarray(rows["stream"])[(event != 0) & ~is_control(event)]
        return streams

    def times(self, size: int) -> Int64:
        """Return the times of up to about `size` events, evenly spread over the ledger."""
        rows = self._map()[:: max(1, self.extent.slots // size)]
        times: Int64 = np.ascontiguousarray(rows["time_ns"])[rows["event"] != 0]
        return times

    def _map(self) -> Array:
        if not self.extent.slots:
            return np.empty(0, ROW_DTYPE)
        return np.memmap(self.path, ROW_DTYPE, mode="r", offset=HEADER_SIZE, shape=(self.extent.slots,))

    def _chunks(self) -> Iterator[Array]:
        rows = self._map()
        for start in range(0, len(rows), _CHUNK):
            yield rows[start : start + _CHUNK]


def measure_journal(path: Path, topics: int, *, closed_rows: int | None) -> Extent:
    """Find the end of a journal and check every row's form.

    `closed_rows` is what the process wrote down at a clean close. Raises LedgerError for a file that is foreign, of
    another version or truncated.
    """
    require_file(path)
    with reading(path):
        return _measure(path, topics, closed_rows)


def _measure(path: Path, topics: int, closed_rows: int | None) -> Extent:
    size = path.stat().st_size
    if size < HEADER_SIZE:
        raise LedgerError(f"{path}: truncated: {size} bytes, shorter than its header; copy it again")
    with path.open("rb") as file:
        header = file.read(HEADER_SIZE)
    if header[:8] != MAGIC:
        raise LedgerError(f"{path}: not a ledger's journal (it begins with {header[:8]!r})")
    version, width = int.from_bytes(header[8:10], "little"), int.from_bytes(header[10:12], "little")
    if (version, width) != (VERSION, ROW.size):
        raise LedgerError(f"{path}: format {version} with rows of {width} bytes; this version reads format {VERSION}")
    extent = _scan(path, (size - HEADER_SIZE) // ROW.size, topics)
    if closed_rows is not None and extent.slots < closed_rows:
        raise LedgerError(f"{path}: truncated: {extent.slots} of {closed_rows} rows; copy it again")
    with path.open("rb") as file:
        file.seek(HEADER_SIZE + (size - HEADER_SIZE) // ROW.size * ROW.size)
        if file.read().strip(b"\0"):
            raise LedgerError(f"{path}: truncated: it ends inside row {extent.slots}; copy it again")
    return extent


def _scan(path: Path, capacity: int, topics: int) -> Extent:
    if not capacity:
        return Extent(0, 0, 0)
    rows = np.memmap(path, ROW_DTYPE, mode="r", offset=HEADER_SIZE, shape=(capacity,))
    slots = events = 0
    for start in range(0, capacity, _CHUNK):
        chunk = rows[start : start + _CHUNK]
        event = np.ascontiguousarray(chunk["event"])
        valid = np.flatnonzero(event)
        if not len(valid):
            continue
        wrong = np.flatnonzero((event > 8) | ((event != 0) & _odd(chunk, topics)))
        if len(wrong):
            row = chunk[wrong[0]]
            raise LedgerError(
                f"{path}: row {start + wrong[0]} has event {row['event']}, topic number {row['topic']} of {topics}, "
                f"cluster {row['cluster']}, partition {row['partition']}, offset {row['offset']} and sequence "
                f"{row['sequence']}: not this ledger's, or damaged"
            )
        slots = start + int(valid[-1]) + 1
        events += len(valid)
    tail = rows[slots : slots + 1].tobytes().strip(b"\0")
    return Extent(slots, events, slots - events + bool(tail))


def _odd(rows: Array, topics: int) -> Mask:
    """Return which rows hold a number that no writer of this ledger can have written."""
    odd: Mask = (
        (rows["topic"] >= topics)
        | ((rows["cluster"] > TARGET) & (rows["cluster"] != UNKNOWN))
        | (rows["partition"] < RANGES["partition"][0])
        | (rows["offset"] < RANGES["offset"][0])
        | (rows["sequence"] < RANGES["sequence"][0])
    )
    return odd
