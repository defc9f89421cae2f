"""From consumed messages to row groups in the order of a capture, in bounded memory."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
from confluent_kafka import Message

from cutover_harness.capture.alignment import Alignment
from cutover_harness.capture.client_errors import without_errors
from cutover_harness.capture.clock import NEVER
from cutover_harness.capture.columns import Messages
from cutover_harness.capture.earlier import Earlier
from cutover_harness.capture.masking import Mask
from cutover_harness.capture.output import GROUP_BYTES, Output, Rows
from cutover_harness.capture.parts import Parts, Progress, State
from cutover_harness.capture.pool import Pool
from cutover_harness.types import PartitionId

_GROUP_S = 30.0
_LOOK_BYTES = 4 << 20
_RUN = 16
_IDLE_MS = 5000
_IDLE_S = 5.0


class Collector:
    """Takes messages as they arrive (`records` and `bytes` so far) and writes them in the order of a capture.

    `open`: the partitions that are not at their end, how far they are, and where they end. `lost`: those whose next
    record is not in the log. `unreadable`: how many records have headers that cannot be read, `example` the first.

    A record is written as soon as no partition can bring one that is due before it. A live partition that is read to
    its end, or has nothing for five seconds while others wait for it, does not hold back what is due five seconds
    before both the newest record and now; what it brings of that later is due when it comes.

    Leaving the context has all that was taken written, unless it is by an error before an earlier sitting's records
    are.
    """

    def __init__(
        self,
        parts: Parts,
        state: State,
        output: Output,
        mask: Mask | None,
        max_records: int | None,
        max_bytes: int | None,
    ) -> None:
        self.open = {
            (topic, int(p)): replace(each)  # the state's own copy is the file's position
            for topic, ps in state.partitions.items()
            for p, each in ps.items()
            if each.end is None or each.next < each.end
        }
        self.records = state.records
        self.bytes = state.bytes
        self.lost: set[PartitionId] = set()
        self.unreadable = 0
        self.example = ""
        self._output = output
        self._mask = mask
        self._codes = {topic: code for code, topic in enumerate(state.partitions)}
        self._topics = pa.array(list(self._codes), pa.string())
        self._largest = {
            (topic, int(p)): each.largest
            for topic, ps in state.partitions.items()
            for p, each in ps.items()
            if each.largest > NEVER
        }
        self._newest = max(self._largest.values(), default=NEVER)
        self._live = any(each.end is None for each in self.open.values())
        self._max_records = math.inf if max_records is None else max_records
        self._max_bytes = math.inf if max_bytes is None else max_bytes
        self._pool = Pool()
        self._earlier = Earlier(parts.earlier(state))
        self._alignment = Alignment()
        self._idle: set[PartitionId] = set()
        self._done: list[PartitionId] = []
        self._unseen = 0
        self._written = self._heard = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or self._earlier.certain is None:
            self._bring_earlier(None)
            self._write(None)

    @property
    def full(self) -> bool:
        """Whether a limit is reached."""
        return self.records >= self._max_records or self.bytes >= self._max_bytes

    def add(self, messages: Sequence[Message]) -> int:
        """Take messages; return the bytes taken. Raises CaptureError for errors that do not pass."""
        messages, ends, lost = without_errors(messages)
        self.lost |= lost
        found = self._wanted(Messages(messages, self._codes))
        if len(found) > (room := self._room(found)):
            found = Messages(found.messages[:room], self._codes)
        size = int(found.sizes.sum())
        if len(found):
            self._take(found)
        for where, offset in ends.items():
            self._at_end_of_log(where, offset)
        self.records += len(found)
        self.bytes += size
        return size

    def _take(self, found: Messages) -> None:
        # In a live recording, the arrival is the only known time of such a record.
        untimed_ms = self._newest if self._live else NEVER
        chunk = found.to_chunk(self._topics, self._mask, self._largest, untimed_ms)
        if found.unreadable:
            first = found.messages[found.unreadable[0]]
            self.example = self.example or f"{first.topic()}-{first.partition()} at offset {first.offset()}"
            self.unreadable += len(found.unreadable)
        if len(found.runs) * _RUN > len(found):
            self._pool.add(chunk)
        else:  # the records of one partition are in order, so they can be split without copying
            for _, start, end in found.runs:
                self._pool.add(chunk.slice(start, end))
        self._unseen += chunk.bytes
        self._heard = time.monotonic()
        for where, _, end in found.runs:
            progress = self.open[where]
            progress.next = int(found.offsets[end - 1]) + 1
            self._newest = max(self._newest, self._largest[where])
            self._idle.discard(where)
            if progress.next == progress.end:
                self._close(where)

    def _wanted(self, found: Messages) -> Messages:
        """Return the records before the end of their partition that are not known already."""
        kept: list[Message] = []
        for where, start, end in found.runs:
            progress = self.open.get(where)
            if progress is None:
                continue
            offsets = found.offsets[start:end]
            first = start + int(offsets.searchsorted(progress.next))
            last = end if progress.end is None else start + int(offsets.searchsorted(progress.end))
            kept += found.messages[first:last]
        return found if len(kept) == len(found) else Messages(kept, self._codes)

    def _room(self, found: Messages) -> int:
        """Return how many records are within the limits; the one that reaches a limit is the last."""
        room = min(len(found), self._max_records - self.records)
        if self.bytes + int(found.sizes.sum()) > self._max_bytes:
            before = self.bytes + np.cumsum(found.sizes) - found.sizes
            room = min(room, int(before.searchsorted(self._max_bytes)))
        return int(room)

    def _at_end_of_log(self, where: PartitionId, offset: int) -> None:
        progress = self.open.get(where)
        if progress is None:
            return
        if progress.end is None:
            if offset >= progress.next:
                self._idle.add(where)
                self._look_soon()
        elif offset >= progress.end:
            self._close(where)

    def begin(self, topic: str, offsets: Mapping[int, int], state: State) -> None:
        """Add partitions to a live recording at these offsets, and to `state`."""
        if topic not in self._codes:
            self._codes[topic] = len(self._codes)
            self._topics = pa.array(list(self._codes), pa.string())
        self._live = True
        for number, offset in offsets.items():
            self.open[topic, number] = Progress(offset, None)
        known = state.partitions.get(topic, {})
        added = {str(number): Progress(offset, None) for number, offset in offsets.items()}
        state.partitions = {**state.partitions, topic: {**known, **added}}  # another thread reads the old one

    def skip(self, where: PartitionId, offset: int) -> None:
        """Continue a partition at `offset`: earlier records are gone."""
        progress = self.open[where]
        progress.next = offset
        if progress.end is not None and progress.end <= offset:
            self._close(where)

    def abandon(self, topic: str) -> list[int]:
        """Stop recording a topic; return its partitions that were not at their end."""
        left = [where for where in self.open if where[0] == topic]
        for where in left:
            self._close(where)
        return [number for _, number in left]

    def _close(self, where: PartitionId) -> None:
        del self.open[where]
        self._idle.discard(where)
        self._done.append(where)
        self._look_soon()

    def _look_soon(self) -> None:
        """Resume partitions that may have waited for this one."""
        if self._alignment.waiting:
            self._unseen = _LOOK_BYTES

    def flow(self) -> tuple[list[PartitionId], list[PartitionId]]:
        """Write records whose order is certain, if it is time; return the partitions to pause and those to resume."""
        pause, self._done = self._done, []
        now = time.monotonic()
        old = now - self._written > _GROUP_S
        silent = bool(self._alignment.waiting) and now - self._heard > _IDLE_S
        if not (old or silent or self._unseen >= _LOOK_BYTES):
            return pause, []
        if silent:
            self._heard = now
            live = {where for where, progress in self.open.items() if progress.end is None}
            self._idle |= live - self._alignment.waiting
        self._unseen = 0
        reached = {where: self._largest.get(where, NEVER) for where in self.open}
        # Not only by the newest record: a producer's clock may be far ahead.
        present = min(self._newest, int(time.time() * 1000)) - _IDLE_MS
        for where in self._idle:
            reached[where] = max(reached[where], present)
        certain = min(reached.values(), default=self._newest)
        self._bring_earlier(certain)
        if self._earlier.certain is not None:
            certain = min(certain, self._earlier.certain)
        if old or self._pool.due(certain) >= GROUP_BYTES:
            self._write(certain)
        reading = {where: due for where, due in reached.items() if where not in self._idle}
        wait, go = self._alignment.update(self._pool.bytes, certain, reading, self._pool.middle)
        return [*pause, *wait], [where for where in go if where in self.open]

    def _bring_earlier(self, certain: int | None) -> None:
        """Merge records of an earlier sitting that are due before `certain`, None: all."""
        while (bound := self._earlier.certain) is not None and (certain is None or bound < certain):
            self._pool.add(self._earlier.take())
            if self._pool.due(bound) >= GROUP_BYTES:
                self._write(bound)

    def _write(self, upto: int | None) -> None:
        """Write the records due at `upto` or before, None: all."""
        self._written = time.monotonic()
        taken = self._pool.take(upto)
        if taken:
            self._output.put(Rows(taken, self._earlier.missing(upto)))
