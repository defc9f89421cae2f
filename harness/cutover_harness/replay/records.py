"""Read an instance's share of a capture in batches of columns that are ready to be sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count as counting
from itertools import pairwise
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cutover_harness.capture.clock import NEVER, Clock, clock_of
from cutover_harness.capture.format import CaptureError, CaptureReader
from cutover_harness.ledger.identity import stream_id
from cutover_harness.replay.config import ReplayOptions, Share
from cutover_harness.replay.schedule import Schedule

Headers = list[tuple[str, bytes | None]]
_CACHED_STREAMS = 200_000
_BIG = 2048
BATCH_ROWS = 2048
"""Preparing a batch takes a few milliseconds, during which nothing is sent."""


@dataclass(frozen=True)
class Records:
    """Columns of equal length: the records of one batch that are this instance's.

    `due_ns`: when each is to be sent (epoch ns; 0: immediately). `stamps_ms`: the timestamp to produce with.
    """

    topics: list[str]
    partitions: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers | None]
    streams: list[int]
    due_ns: list[int]
    stamps_ms: list[int]

    def __len__(self) -> int:
        return len(self.topics)

    def tail(self, start: int) -> Records:
        """Return the records from index `start` on."""
        return Records(
            self.topics[start:], self.partitions[start:], self.keys[start:], self.values[start:],
            self.headers[start:], self.streams[start:], self.due_ns[start:], self.stamps_ms[start:],
        )  # fmt: skip


class StreamIds:
    """Cached stream ids of records: traffic repeats its keys, and a look-up is cheaper than a hash."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes | int | None], int] = {}

    def of(self, topics: Sequence[str], keys: Sequence[bytes | None], partitions: Sequence[int]) -> list[int]:
        """Return the stream id of each record."""
        known = self._known
        if len(known) > _CACHED_STREAMS:
            known.clear()
        names: Sequence[bytes | int | None] = keys
        if None in keys:
            names = [partition if key is None else key for key, partition in zip(keys, partitions, strict=True)]
        out: list[int | None] = list(map(known.get, zip(topics, names, strict=True)))
        if None in out:
            for number, name in enumerate(zip(topics, names, strict=True)):
                if out[number] is None:
                    out[number] = known[name] = stream_id(name[0], keys[number], partitions[number])
        return cast("list[int]", out)


def warm_up() -> None:
    """Make Arrow import pandas now: its first conversion imports it under a lock, which takes 0.15 s."""
    pc.take(pa.array([0]), pa.array([0]))


def schedule_of(reader: CaptureReader, options: ReplayOptions, start_ns: int) -> Schedule:
    """Return the schedule of the slice of `reader` in `options`."""
    clock = clock_of(reader) if options.clock_ms is None else Clock(*options.clock_ms)
    first, last = clock.first_ms, clock.last_ms
    low = first if options.from_s is None else first + round(options.from_s * 1000)
    high = last if options.to_s is None else min(last, first + round(options.to_s * 1000))
    if low > high:
        raise CaptureError(
            f"capture {reader.path}: the slice from {options.from_s or 0:g} s to {options.to_s or 'the end'} is empty; "
            f"the capture spans {(last - first) / 1000:g} s"
        )
    return Schedule(low, high, start_ns, options.speed, reader.records, clock)


def passes(reader: CaptureReader, *, loop: bool) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the batches of a capture with the number of the pass (from 0), once, or endlessly with `loop`.

    Memory: one row group.
    """
    for number in counting():
        for batch in reader.batches(rows=BATCH_ROWS):
            yield number, batch
        if not loop:
            return


def replay(
    reader: CaptureReader,
    options: ReplayOptions,
    share: Share,
    schedule: Schedule,
    *,
    skip: int = 0,
    batches: Iterable[tuple[int, pa.RecordBatch]] | None = None,
) -> Iterator[Records]:
    """Yield the share's records in order, endlessly with `options.loop`, without the first `skip`.

    `batches`: what `passes` yields, if it is read elsewhere. Raises CaptureError if the slice or the topics
    leave nothing to send.
    """
    if options.topics:
        absent = sorted(set(options.topics) - set(reader.info.topics))
        if absent:
            raise CaptureError(
                f"capture {reader.path}: has no topic {absent[0]!r} (it has {', '.join(reader.info.topics)})"
            )
    ids = StreamIds()
    seen = latest = 0  # records of the slice, of all shares
    before: int | None = None
    for loop, batch in passes(reader, loop=options.loop) if batches is None else batches:
        if loop != latest:
            _check_any(reader, seen)
            latest, before = loop, None
        stamps = schedule.clock.ms(batch.column("timestamp").to_numpy())
        largest = schedule.clock.due_ms(stamps, before)
        before = int(largest[-1])
        if int(stamps.min()) == NEVER:
            stamps = np.where(stamps == NEVER, largest, stamps)
        wanted = _wanted(batch, largest, options, schedule)
        seen += int(wanted.sum())
        if not wanted.any():
            continue
        chosen = batch if wanted.all() else pc.filter(batch, pa.array(wanted))
        records = _select(chosen, stamps[wanted], largest[wanted], options, share, schedule, loop, ids)
        if skip >= len(records):
            skip -= len(records)
            continue
        yield records.tail(skip) if skip else records
        skip = 0
    _check_any(reader, seen)


def _check_any(reader: CaptureReader, seen: int) -> None:
    if not seen:
        raise CaptureError(f"capture {reader.path}: the requested topics and slice contain no records")


def _wanted(batch: pa.RecordBatch, largest: np.ndarray, options: ReplayOptions, schedule: Schedule) -> np.ndarray:
    wanted = (largest >= schedule.first_ms) & (largest <= schedule.last_ms)
    if options.topics:
        names, codes = _dictionary(batch.column("topic"))
        wanted &= np.array([name in options.topics for name in names], bool)[codes]
    return wanted


def _select(
    batch: pa.RecordBatch,
    stamps: np.ndarray,
    largest: np.ndarray,
    options: ReplayOptions,
    share: Share,
    schedule: Schedule,
    loop: int,
    ids: StreamIds,
) -> Records:
    """Return the share's records among the rows of `batch`, every one `options.scale` times."""
    names, codes = _dictionary(batch.column("topic"))
    written = [options.topics.get(name, name) for name in names]
    topics = [written[code] for code in codes.tolist()]
    partitions: list[int] = batch.column("partition").to_numpy().tolist()
    keys = binary_list(batch.column("key"))
    rows = range(len(topics))
    copies: Sequence[int] = rows
    if options.scale > 1:
        copies = [row for row in rows for _ in range(options.scale)]
        topics = [topics[row] for row in copies]
        partitions = [partitions[row] for row in copies]
        keys = [copy_key(keys[row], number % options.scale) for number, row in enumerate(copies)]
    streams = ids.of(topics, keys, partitions)
    due = schedule.due_ns(largest, loop).tolist()
    stamped = schedule.stamps_ms(stamps, loop).tolist()
    if share.of == 1 and options.scale == 1:
        values, headers = binary_list(batch.column("value")), header_lists(batch.column("headers"))
        return Records(topics, partitions, keys, values, headers, streams, due, stamped)
    mine = [n for n, stream in enumerate(streams) if stream % share.of == share.index]
    source = [copies[n] for n in mine]
    taken = pc.take(batch, pa.array(np.array(source, np.int64)))  # Arrow would import pandas for a list
    return Records(
        topics=[topics[n] for n in mine],
        partitions=[partitions[n] for n in mine],
        keys=[keys[n] for n in mine],
        values=binary_list(taken.column("value")),
        headers=header_lists(taken.column("headers")),
        streams=[streams[n] for n in mine],
        due_ns=[due[row] for row in source],
        stamps_ms=[stamped[row] for row in source],
    )


def _dictionary(topic: pa.Array) -> tuple[list[str], np.ndarray]:
    """Return the distinct names of a topic column, and each row's index among them."""
    if not pa.types.is_dictionary(topic.type):
        topic = topic.dictionary_encode()
    return topic.dictionary.to_pylist(), topic.indices.to_numpy()


def copy_key(key: bytes | None, number: int) -> bytes | None:
    """Return the key of the copy `number` (from 0) of a record: the recorded one for 0, otherwise with a suffix."""
    return key if key is None or number == 0 else key + b"~%d" % number


def binary_list(column: pa.Array) -> list[bytes | None]:
    """Return the values of a binary column (several times faster than Arrow's conversion, which is for any type)."""
    count = len(column)
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int32, count + 1, 4 * column.offset)
    if ends[0] == ends[-1]:
        out: list[bytes | None] = [b""] * count
    else:
        used = data.slice(int(ends[0]), int(ends[-1] - ends[0]))
        places = (ends - ends[0]).tolist()
        if len(used) < _BIG * count:
            raw = used.to_pybytes()
            out = [raw[start:end] for start, end in pairwise(places)]
        else:  # each step takes longer, but saves one copy
            view = memoryview(used)
            out = [view[start:end].tobytes() for start, end in pairwise(places)]
    if column.null_count:
        for row in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
            out[row] = None
    return out


def header_lists(column: pa.Array) -> list[Headers | None]:
    """Return each record's headers, in order, None if it has none (much faster than Arrow's nested conversion)."""
    if column.null_count == len(column):
        return [None] * len(column)
    structs = column.flatten()
    pairs = list(zip(structs.field(0).to_pylist(), structs.field(1).to_pylist(), strict=True))
    out: list[Headers | None] = []
    at = 0
    for length in column.value_lengths().to_pylist():
        out.append(pairs[at : at + length] if length else None)
        at += length or 0
    return out
