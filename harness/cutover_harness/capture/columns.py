"""From consumed messages to columns, in bulk: Python's work per record is the cost of recording."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, compress, pairwise
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import Message
from numpy.typing import NDArray

from cutover_harness.capture.clock import NEVER, recorded_ms
from cutover_harness.capture.format import SCHEMA
from cutover_harness.capture.masking import Mask
from cutover_harness.capture.writer import header_array
from cutover_harness.headers import headers_of
from cutover_harness.ledger.identity import HEADER
from cutover_harness.types import PartitionId

Run = tuple[PartitionId, int, int]
DUE = "due"
VALUE = "value"
_REST = pa.schema([f for f in SCHEMA if f.name != VALUE]).append(pa.field(DUE, pa.int64(), nullable=False))
_JOIN_FROM = 512  # bytes per value
_BIG = 2048


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some records by column: the `rest` in Arrow, as the `values` are unless they are big: these are copied just once.

    The rest includes when they are due (ms): the largest timestamp so far in the record's partition, odd ones left out.
    In a whole capture that is the largest timestamp so far.
    """

    rest: pa.RecordBatch
    values: pa.Array | list[Any]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def due(self) -> NDArray[np.int64]:
        """Due times (ms)."""
        return self.rest.column(DUE).to_numpy()  # type: ignore[no-any-return]

    @property
    def bytes(self) -> int:
        """Approximate size in memory (bytes)."""
        if isinstance(self.values, list):
            return int(self.rest.nbytes) + sum(map(len, self.values))
        return int(self.rest.nbytes + self.values.nbytes)

    def slice(self, start: int, end: int) -> Self:
        """Return the records from `start` up to, not including, `end`."""
        return type(self)(self.rest.slice(start, end - start), self.values[start:end])

    def where(self, mask: NDArray[np.bool_]) -> Self:
        """Return the records for which `mask` is true."""
        values = self.values
        chosen = list(compress(values, mask)) if isinstance(values, list) else values.filter(pa.array(mask))
        return type(self)(self.rest.filter(pa.array(mask)), chosen)


def row_groups(chunks: Sequence[Chunk], rows: int, size: int) -> Iterator[pa.Table]:
    """Yield the records of `chunks` in the order of a capture, in tables of at most `rows`, and `size` bytes each.

    That order is by due time, and of those due together by offset: so the order within a partition stays. The tables
    have the columns of a capture, and DUE. A record that is bigger than `size` has a table of its own.
    """
    rest = pa.Table.from_batches([chunk.rest for chunk in chunks], _REST).unify_dictionaries().combine_chunks()
    order = np.lexsort((rest.column("offset").to_numpy(), rest.column(DUE).to_numpy()))
    values = _together([chunk.values for chunk in chunks])
    ends = np.cumsum(_sizes(values)[order])
    start = 0
    while start < len(order):
        before = int(ends[start - 1]) if start else 0
        end = min(start + rows, max(start + 1, int(ends.searchsorted(before + size, "right"))))
        part = pa.array(order[start:end])
        value = _joined([values[at] for at in part.to_pylist()]) if isinstance(values, list) else values.take(part)
        yield rest.take(part).add_column(SCHEMA.get_field_index(VALUE), SCHEMA.field(VALUE), value)
        start = end


class Messages:
    """Records as they were consumed. `runs`: which of them are of one partition, (partition, first, after the last).

    `unreadable`: the indexes of those whose headers cannot be read, known once they are a chunk.
    """

    def __init__(self, messages: Sequence[Message], codes: dict[str, int]) -> None:
        self.messages = messages
        self.unreadable: list[int] = []
        count = len(messages)
        self.offsets: NDArray[np.int64] = np.fromiter(map(Message.offset, messages), np.int64, count)
        self.keys: list[Any] = list(map(Message.key, messages))
        self.sizes: NDArray[np.int64] = np.fromiter(map(len, messages), np.int64, count)
        self.sizes += _lengths(self.keys)
        self._partitions = np.fromiter(map(Message.partition, messages), np.int32, count)
        self._topics = np.fromiter(map(codes.__getitem__, map(Message.topic, messages)), np.int32, count)  # type: ignore[arg-type]
        place = self._topics.astype(np.int64) << 32 | self._partitions
        cuts: list[int] = (np.flatnonzero(place[1:] != place[:-1]) + 1).tolist()
        names = list(codes)
        self.runs: list[Run] = [
            ((names[int(self._topics[start])], int(self._partitions[start])), start, end)
            for start, end in pairwise([0, *cuts, count])
            if count
        ]

    def __len__(self) -> int:
        return len(self.messages)

    def to_chunk(
        self, topics: pa.Array, mask: Mask | None, largest: dict[PartitionId, int], untimed_ms: int = NEVER
    ) -> Chunk:
        """Return them as a chunk, masked.

        `topics`: the names of the topics' codes. `largest`: the largest timestamp of each partition so far, which is
        brought up to date. `untimed_ms`: when records are due whose timestamp cannot be true.
        """
        headers, self.unreadable = headers_of(self.messages)
        kinds, stamps = zip(*map(Message.timestamp, self.messages), strict=True)
        keys, values, headers = self.keys, list(map(Message.value, self.messages)), _without_own(headers)
        if mask is not None:
            keys, values, headers = mask.columns(keys, values, headers)
        due = recorded_ms(np.array(stamps, np.int64), _now_ms())
        if untimed_ms > NEVER:
            due = np.where(due == NEVER, untimed_ms, due)
        for where, start, end in self.runs:
            running = np.maximum.accumulate(due[start:end])
            known = largest.get(where)
            if known is not None:
                np.maximum(running, known, out=running)
            due[start:end] = running
            largest[where] = int(running[-1])
        arrays = [
            pa.DictionaryArray.from_arrays(pa.array(self._topics), topics),
            pa.array(self._partitions),
            pa.array(self.offsets),
            pa.array(stamps, pa.int64()),
            pa.array(kinds, pa.int8()),
            pa.array(keys, pa.binary()),
            header_array(headers),
            pa.array(due),
        ]
        return Chunk(pa.record_batch(arrays, schema=_REST), _held(values))


def chunk_of(batch: pa.RecordBatch, before: int | None) -> Chunk:
    """Return a capture's `batch` as a chunk; `before`: the due time (ms) of the record before it, if any."""
    due = np.maximum.accumulate(recorded_ms(batch.column("timestamp").to_numpy(), _now_ms()))
    due = due if before is None else np.maximum(due, before)
    rest = batch.drop_columns([VALUE]).append_column(_REST.field(DUE), pa.array(due)).cast(_REST)
    return Chunk(rest, batch.column(VALUE))


def _now_ms() -> int:
    return int(time.time() * 1000)


def _lengths(content: Sequence[Any]) -> NDArray[np.int64]:
    try:
        return np.fromiter(map(len, content), np.int64, len(content))
    except TypeError:  # some are None
        return np.fromiter((len(each or b"") for each in content), np.int64, len(content))


def _sizes(values: pa.Array | list[Any]) -> NDArray[np.int64]:
    if isinstance(values, list):
        return _lengths(values)
    return pc.binary_length(values).fill_null(0).to_numpy().astype(np.int64)  # type: ignore[no-any-return]


def _without_own(headers: list[Any]) -> list[Any]:
    """Return the headers without the harness's own, which is not the application's traffic."""
    if any(headers):
        return [each and (None if len(each) == 1 and each[0][0] == HEADER else _others(each)) for each in headers]
    return headers


def _others(headers: list[Any]) -> list[Any] | None:
    return [each for each in headers if each[0] != HEADER] or None


def _held(values: list[Any]) -> pa.Array | list[Any]:
    """Return values in the form of a chunk."""
    if None in values or (size := sum(map(len, values))) < _JOIN_FROM * len(values):
        return pa.array(values, pa.binary())
    return _joined(values) if size < _BIG * len(values) else values


def _together(parts: Sequence[pa.Array | list[Any]]) -> pa.Array | list[Any]:
    arrays = [part for part in parts if not isinstance(part, list)]
    if len(arrays) == len(parts):
        return pa.concat_arrays(arrays)
    return list(chain.from_iterable(part if isinstance(part, list) else part.to_pylist() for part in parts))


def _joined(values: list[Any]) -> pa.Array:
    """Return values as an Arrow array, with less copying than Arrow's own conversion if all are bytes."""
    if None in values:
        return pa.array(values, pa.binary())
    ends = np.zeros(len(values) + 1, np.int32)
    np.cumsum(_lengths(values), out=ends[1:])
    return pa.Array.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))])
