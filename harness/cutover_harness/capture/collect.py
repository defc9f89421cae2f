"""From consumed messages to segments on disk: columns in this thread, masking and writing in another."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast

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


_HARMLESS = {
    # Of the client's own accord, about a group that it is not going to join.
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._WAIT_COORD,  # noqa: SLF001 - the client's names for its own codes
    KafkaError._TRANSPORT,  # noqa: SLF001 - it reconnects; a broker that stays away is a silence
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
}


class Columns:
    """Records in columns, growing."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.payload = 0
        self._begun = time.monotonic()
        self.reached: dict[Partition, tuple[int, int]] = {}

    @property
    def full(self) -> bool:
        """Whether they are to be handed over: enough, or old enough for a traffic that is slow."""
        size = self.payload + _PER_RECORD * len(self.rows)
        return len(self.rows) >= _BATCH_ROWS or size >= _BATCH_BYTES or time.monotonic() - self._begun > _BATCH_S

    def to_batch(self, mask: Mask | None) -> pa.RecordBatch:
        """Return them as a batch of a segment, masked."""
        topics, partitions, offsets, stamps, keys, values, headers, due = zip(*self.rows, strict=True)
        if mask is not None:
            keys, values, headers = map(tuple, mask.columns(keys, values, headers))
        arrays = [
            pa.array(topics, pa.string()).dictionary_encode(),
            pa.array(partitions, pa.int32()),
            pa.array(offsets, pa.int64()),
            pa.array([stamp for _, stamp in stamps], pa.int64()),
            pa.array([kind for kind, _ in stamps], pa.int8()),
            pa.array(keys, pa.binary()),
            pa.array(values, pa.binary()),
            header_array(headers),
            pa.array(due, pa.int64()),
        ]
        return pa.record_batch(arrays, schema=SEGMENT_SCHEMA)


class _Open:
    """The segment in hand."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []
        self.rows = self.payload = self.size = 0
        self.reached: dict[Partition, tuple[int, int]] = {}
        self._begun = time.monotonic()

    def take(self, columns: Columns, mask: Mask | None) -> None:
        """Add a batch."""
        self.batches.append(columns.to_batch(mask))
        self.rows += len(columns.rows)
        self.size += columns.payload + _PER_RECORD * len(columns.rows)
        self.payload += columns.payload
        self.reached |= columns.reached

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
        done: list[Partition] = []
        before = self.bytes
        for message in messages:
            where = cast("Partition", (message.topic(), message.partition()))
            progress = partitions.get(where)
            if progress is None:
                continue
            offset = cast("int", message.offset())
            error = message.error()
            past_end = progress.end is not None and offset >= progress.end
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's name
                check(error)
            elif past_end:
                done.append(where)
            elif error is None:
                if self.full:
                    break
                self._take(message, where, offset, progress)
                if progress.next == progress.end:
                    done.append(where)
        self.tick()
        return done, self.bytes - before

    def _take(self, message: Message, where: Partition, offset: int, progress: Progress) -> None:
        stamp, key, value = message.timestamp(), message.key(), message.value()
        headers = cast("list[tuple[str, bytes]] | None", message.headers())
        if headers:  # the harness's own header is no part of the application's traffic
            headers = [each for each in headers if each[0] != HEADER] or None
        progress.next = offset + 1
        progress.largest = largest = max(progress.largest, stamp[1])
        columns = self._columns
        columns.reached[where] = (offset + 1, largest)
        columns.rows.append((*where, offset, stamp, key, value, headers, largest))
        size = (len(key) if key else 0) + (len(value) if value else 0)
        columns.payload += size
        self.bytes += size
        self.records += 1

    def tick(self) -> None:
        """Hand over what was taken, where it is time to."""
        if self._columns.full:
            self._hand_over()

    def _hand_over(self) -> None:
        columns, self._columns = self._columns, Columns()
        if columns.rows:
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
                    segment.take(columns, self._mask)
                if segment.due(last=last):
                    self._close(segment)
                    segment = _Open()
            except Exception as why:  # noqa: BLE001 - raised again in the reading thread
                self._error = why

    def _close(self, segment: _Open) -> None:
        """Write a segment, and then the state that counts it in."""
        state = self._state
        self._parts.add(state, segment.batches)
        for (topic, partition), (next_offset, largest) in segment.reached.items():
            progress = state.partitions[topic][str(partition)]
            progress.next, progress.largest = next_offset, largest
        state.records += segment.rows
        state.bytes += segment.payload
        self._parts.save(state)


def check(error: KafkaError) -> None:
    """Raise CaptureError for an error that no waiting mends."""
    if error.code() not in _HARMLESS:
        raise CaptureError(f"reading: {error.str()}; what was recorded is kept, go on with --resume")
