"""From consumed messages to segments on disk: columns in this thread, masking and writing in another."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
import pyarrow as pa
from confluent_kafka import KafkaError, Message

from cutover_harness.capture.cluster import Partition
from cutover_harness.capture.format import CaptureError
from cutover_harness.capture.masking import Mask
from cutover_harness.capture.merge import SEGMENT_SCHEMA
from cutover_harness.capture.segments import Parts, Progress, State
from cutover_harness.capture.writer import header_array
from cutover_harness.ledger.identity import HEADER

_BATCH_ROWS = 20_000
_BATCH_BYTES = 8 << 20
_SEGMENT_ROWS = 400_000
_SEGMENT_BYTES = 64 << 20
_SEGMENT_S = 30.0
_BATCH_S = 5.0
_PER_RECORD = 64
_NEVER = -(1 << 62)


_HARMLESS = {
    # Of the client's own accord, about a group that it is not going to join.
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._WAIT_COORD,  # noqa: SLF001 - the client's names for its own codes
    KafkaError._TRANSPORT,  # noqa: SLF001 - it reconnects; a broker that stays away is a silence
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
}


class Columns:
    """Records in columns, growing by whole batches of messages: the reading thread does no work a record that can wait.

    `payload`: bytes of keys and values.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.places: list[Partition] = []
        self.offsets: list[int] = []
        self.keys: list[bytes | None] = []
        self.payload = 0
        self._begun = time.monotonic()

    def __len__(self) -> int:
        return len(self.messages)

    def extend(
        self, messages: list[Message], places: list[Partition], offsets: list[int], keys: list[bytes | None], size: int
    ) -> None:
        """Add records, whose keys and values have `size` bytes together."""
        self.messages += messages
        self.places += places
        self.offsets += offsets
        self.keys += keys
        self.payload += size

    @property
    def full(self) -> bool:
        """Whether they are to be handed over: enough, or old enough for a traffic that is slow."""
        size = self.payload + _PER_RECORD * len(self)
        return len(self) >= _BATCH_ROWS or size >= _BATCH_BYTES or time.monotonic() - self._begun > _BATCH_S

    def to_batch(self, mask: Mask | None, largest: dict[Partition, int]) -> tuple[pa.RecordBatch, dict[Partition, int]]:
        """Return them as a batch of a segment, masked, and the last offset of each partition.

        `largest`: the largest timestamp of each partition so far, which is brought up to date.
        """
        kinds, stamps = zip(*[m.timestamp() for m in self.messages], strict=True)
        values: Any = [m.value() for m in self.messages]
        headers: Any = [m.headers() for m in self.messages]
        keys: Any = self.keys
        if any(headers):  # the harness's own header is no part of the application's traffic
            headers = [each and ([h for h in each if h[0] != HEADER] or None) for each in headers]
        if mask is not None:
            keys, values, headers = mask.columns(keys, values, headers)
        due = np.array(stamps, np.int64)
        last: dict[Partition, int] = {}
        for where, rows in _rows_by_partition(self.places).items():
            running = np.maximum.accumulate(due[rows])
            due[rows] = running = np.maximum(running, largest.get(where, _NEVER))
            largest[where] = int(running[-1])
            last[where] = self.offsets[rows[-1]]
        arrays = [
            pa.array([topic for topic, _ in self.places], pa.string()).dictionary_encode(),
            pa.array([partition for _, partition in self.places], pa.int32()),
            pa.array(self.offsets, pa.int64()),
            pa.array(stamps, pa.int64()),
            pa.array(kinds, pa.int8()),
            pa.array(keys, pa.binary()),
            pa.array(values, pa.binary()),
            header_array(headers),
            pa.array(due),
        ]
        return pa.record_batch(arrays, schema=SEGMENT_SCHEMA), last


def _rows_by_partition(places: list[Partition]) -> dict[Partition, np.ndarray]:
    codes: dict[Partition, int] = {}
    coded = np.array([codes.setdefault(where, len(codes)) for where in places])
    order = np.argsort(coded, kind="stable")
    starts = np.searchsorted(coded[order], np.arange(len(codes) + 1))
    return {where: order[starts[code] : starts[code + 1]] for where, code in codes.items()}


class _Open:
    """The segment in hand."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []
        self.rows = self.payload = self.size = 0
        self.last: dict[Partition, int] = {}
        self._begun = time.monotonic()

    def take(self, columns: Columns, mask: Mask | None, largest: dict[Partition, int]) -> None:
        """Add a batch."""
        batch, last = columns.to_batch(mask, largest)
        self.batches.append(batch)
        self.rows += len(columns)
        self.size += columns.payload + _PER_RECORD * len(columns)
        self.payload += columns.payload
        self.last |= last

    def due(self, *, last: bool) -> bool:
        """Whether it is to be written: big enough, old enough, or the last one."""
        old = time.monotonic() - self._begun > _SEGMENT_S
        return self.rows > 0 and (last or old or self.rows >= _SEGMENT_ROWS or self.size >= _SEGMENT_BYTES)


class Collector:
    """Takes messages as they come, `records` and `bytes` so far; segments and state follow through a bounded queue.

    Leaving the context writes all that was taken. An error of the writing thread is raised by the next `add` or at
    the end.
    """

    def __init__(
        self, parts: Parts, state: State, mask: Mask | None, max_records: int | None, max_bytes: int | None
    ) -> None:
        self._parts = parts
        self._state = state
        self._mask = mask
        self._columns = Columns()
        self._largest = {(t, int(p)): each.largest for t, ps in state.partitions.items() for p, each in ps.items()}
        self._max_records = math.inf if max_records is None else max_records
        self._max_bytes = math.inf if max_bytes is None else max_bytes
        self.records = state.records
        self.bytes = state.bytes
        self._queue: queue.Queue[Columns | None] = queue.Queue(maxsize=2)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name="capture-writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._error is None:
            self._hand_over()
        self._queue.put(None)
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    @property
    def full(self) -> bool:
        """Whether a limit is reached."""
        return self.records >= self._max_records or self.bytes >= self._max_bytes

    def add(self, messages: Sequence[Message], partitions: Mapping[Partition, Progress]) -> tuple[list[Partition], int]:
        """Take messages of `partitions`; returns which of those are at their end now, and the bytes taken.

        Raises CaptureError for errors among the messages that no waiting mends.
        """
        if self._error is not None:
            raise self._error
        records = [m for m in messages if m.error() is None]
        done = [] if len(records) == len(messages) else _ended(messages, partitions)
        places = cast("list[Partition]", [(m.topic(), m.partition()) for m in records])
        offsets = cast("list[int]", [m.offset() for m in records])
        last = dict(zip(places, offsets, strict=True))
        past = {where for where, offset in last.items() if _past(partitions.get(where), offset)}
        if past:
            done += past & partitions.keys()
            kept = [n for n, at in enumerate(places) if at not in past or not _past(partitions.get(at), offsets[n])]
            records, places, offsets = [records[n] for n in kept], [places[n] for n in kept], [offsets[n] for n in kept]
        keys = cast("list[bytes | None]", [m.key() for m in records])
        room = self._room(records, keys)
        if room < len(records):
            records, places, offsets, keys = records[:room], places[:room], offsets[:room], keys[:room]
        for where, offset in dict(zip(places, offsets, strict=True)).items():
            progress = partitions[where]
            progress.next = offset + 1
            if progress.next == progress.end:
                done.append(where)
        size = sum(map(len, records)) + sum(map(len, filter(None, keys)))
        self._columns.extend(records, places, offsets, keys, size)
        self.records += len(records)
        self.bytes += size
        self.tick()
        return done, size

    def _room(self, records: Sequence[Message], keys: Sequence[bytes | None]) -> int:
        """Return how many of `records` are within the limits."""
        room = int(min(len(records), self._max_records - self.records))
        if self.bytes + sum(map(len, records)) + sum(map(len, filter(None, keys))) < self._max_bytes:
            return room
        total = self.bytes
        for number in range(room):
            if total >= self._max_bytes:
                return number
            total += len(records[number]) + len(keys[number] or b"")
        return room

    def tick(self) -> None:
        """Hand over what was taken, where it is time to."""
        if self._columns.full:
            self._hand_over()

    def _hand_over(self) -> None:
        columns, self._columns = self._columns, Columns()
        if columns.messages:
            self._queue.put(columns)

    def _write(self) -> None:
        """Body of the writing thread: gather batches into segments until None comes.

        After an error, only empty the queue.
        """
        segment = _Open()
        last = False
        while not last:
            try:
                columns = self._queue.get(timeout=1.0)
                last = columns is None
            except queue.Empty:
                columns = None
            if self._error is not None:
                continue
            try:
                if columns is not None:
                    segment.take(columns, self._mask, self._largest)
                if segment.due(last=last):
                    self._close(segment)
                    segment = _Open()
            except Exception as why:  # noqa: BLE001 - raised again in the reading thread
                self._error = why

    def _close(self, segment: _Open) -> None:
        """Write a segment, and then the state that counts it in."""
        state = self._state
        self._parts.add(state, segment.batches)
        for (topic, partition), offset in segment.last.items():
            progress = state.partitions[topic][str(partition)]
            progress.next, progress.largest = offset + 1, self._largest[topic, partition]
        state.records += segment.rows
        state.bytes += segment.payload
        self._parts.save(state)


def _past(progress: Progress | None, offset: int) -> bool:
    """Whether the record at `offset` is not wanted: the partition is done, or the offset is at its end or after."""
    return progress is None or (progress.end is not None and offset >= progress.end)


def _ended(messages: Sequence[Message], partitions: Mapping[Partition, Progress]) -> list[Partition]:
    """Return the partitions that are read to their ends of log; raises CaptureError for other errors."""
    done = []
    for message in messages:
        error = message.error()
        if error is None:
            continue
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's name
            check(error)
            continue
        where = cast("Partition", (message.topic(), message.partition()))
        progress = partitions.get(where)
        if progress is not None and progress.end is not None and cast("int", message.offset()) >= progress.end:
            done.append(where)
    return done


def check(error: KafkaError) -> None:
    """Raise CaptureError for an error that no waiting mends."""
    if error.code() not in _HARMLESS:
        raise CaptureError(f"reading: {error.str()}; what was recorded is kept, go on with --resume")
