"""From consumed messages to segments on disk: columns in this thread, sorting and writing in another."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import repeat
from operator import is_not
from types import TracebackType
from typing import NamedTuple, Self, cast

import pyarrow as pa
from confluent_kafka import KafkaError, Message

from cutover_harness.capture.columns import Messages, Partition
from cutover_harness.capture.format import CaptureError
from cutover_harness.capture.masking import Mask
from cutover_harness.capture.segments import Assembly, Parts, Progress, State

_SEGMENT_ROWS = 400_000
_SEGMENT_BYTES = 16 << 20  # buffers of this size are used again, bigger ones are fresh memory each time
_SEGMENT_S = 30.0
_PER_RECORD = 64
_NEVER = -(1 << 62)


_HARMLESS = {
    # Of the client's own accord, about a group that it is not going to join.
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._WAIT_COORD,  # noqa: SLF001 - the client's names for its own codes
    KafkaError._TRANSPORT,  # noqa: SLF001 - it reconnects; a broker that stays away is a silence
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
}


class _Full(NamedTuple):
    """A segment to write: how far each partition got in it, and before which due time nothing can come any more."""

    batches: list[pa.RecordBatch]
    reached: dict[Partition, tuple[int, int]]  # next offset, largest timestamp
    records: int
    bytes: int
    certain: int


class Collector:
    """Takes messages as they come, `records` and `bytes` so far; segments and state follow through a bounded queue.

    Leaving the context writes all that was taken. An error of the writing thread is raised by the next `add` or at
    the end.
    """

    def __init__(
        self,
        parts: Parts,
        state: State,
        assembly: Assembly,
        mask: Mask | None,
        max_records: int | None,
        max_bytes: int | None,
    ) -> None:
        self._parts = parts
        self._state = state
        self._assembly = assembly
        self._mask = mask
        self._codes = {topic: code for code, topic in enumerate(state.partitions)}
        self._topics = pa.array(list(self._codes), pa.string())
        self._largest = {
            (t, int(p)): each.largest
            for t, ps in state.partitions.items()
            for p, each in ps.items()
            if each.largest > _NEVER
        }
        self._open: Mapping[Partition, Progress] = {}
        self._max_records = math.inf if max_records is None else max_records
        self._max_bytes = math.inf if max_bytes is None else max_bytes
        self.records = state.records
        self.bytes = state.bytes
        self._begin_segment()
        # One segment is filled, one written, and one waits, so that neither thread does.
        self._queue: queue.Queue[_Full | None] = queue.Queue(maxsize=1)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name="capture-writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._error is None:
            self._close_segment()
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
        self._open = partitions
        done: list[Partition] = []
        errors = list(map(Message.error, messages))
        if any(map(is_not, errors, repeat(None))):  # by identity: the client's errors cannot be compared with None
            done = _ended(messages, partitions)
            messages = [m for m, error in zip(messages, errors, strict=True) if error is None]
        found = self._within_ends(Messages(messages, self._codes), partitions)
        size = found.size
        if self.bytes + size >= self._max_bytes or self.records + len(found) > self._max_records:
            found = Messages(found.messages[: self._room(found)], self._codes)
            size = found.size
        if not len(found):
            return done, 0
        batch = found.to_batch(self._topics, self._mask, self._largest)
        for where, _, end in found.runs:
            progress = partitions[where]
            progress.next = int(found.offsets[end - 1]) + 1
            self._reached[where] = progress.next, self._largest[where]
            if progress.next == progress.end:
                done.append(where)
        self._batches.append(batch)
        self._segment_records += len(found)
        self._segment_bytes += size
        self.records += len(found)
        self.bytes += size
        self.tick()
        return done, size

    def _within_ends(self, found: Messages, partitions: Mapping[Partition, Progress]) -> Messages:
        """Return those that are before the end of their partition, and of no partition that is at its end."""
        kept: list[Message] = []
        for where, start, end in found.runs:
            progress = partitions.get(where)
            last = end
            if progress is None:
                last = start
            elif progress.end is not None:
                last = start + int(found.offsets[start:end].searchsorted(progress.end))
            kept += found.messages[start:last]
        return found if len(kept) == len(found) else Messages(kept, self._codes)

    def _room(self, found: Messages) -> int:
        """Return how many records are within the limits."""
        room = int(min(len(found), self._max_records - self.records))
        total = self.bytes
        for number in range(room):
            if total >= self._max_bytes:
                return number
            total += len(found.messages[number]) + len(found.keys[number] or b"")
        return room

    def tick(self) -> None:
        """End the segment in hand where it is time to: it is big enough, or old enough for a traffic that is slow."""
        size = self._segment_bytes + _PER_RECORD * self._segment_records
        old = time.monotonic() - self._begun > _SEGMENT_S
        if self._segment_records and (old or self._segment_records >= _SEGMENT_ROWS or size >= _SEGMENT_BYTES):
            self._close_segment()

    def _begin_segment(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._reached: dict[Partition, tuple[int, int]] = {}
        self._segment_records = self._segment_bytes = 0
        self._begun = time.monotonic()

    def _close_segment(self) -> None:
        if self._segment_records:
            certain = min((self._largest.get(where, _NEVER) for where in self._open), default=_NEVER)
            counts = self._segment_records, self._segment_bytes
            self._queue.put(_Full(self._batches, self._reached, *counts, certain))
            self._begin_segment()

    def _write(self) -> None:
        """Body of the writing thread: write segments until None comes; after an error, only empty the queue."""
        while (full := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._write_segment(full)
                except Exception as why:  # noqa: BLE001 - raised again in the reading thread
                    self._error = why

    def _write_segment(self, full: _Full) -> None:
        """Write a segment, then the state that counts it in, then what of the capture is certain."""
        state = self._state
        segment = self._parts.add(state, full.batches)
        for (topic, partition), (following, largest) in full.reached.items():
            progress = state.partitions[topic][str(partition)]
            progress.next, progress.largest = following, largest
        state.records += full.records
        state.bytes += full.bytes
        self._parts.save(state)
        self._assembly.add(segment, full.certain)


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
