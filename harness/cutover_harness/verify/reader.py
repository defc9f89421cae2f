"""Reads one partition of one cluster in chunks of rows, as fast as the client can."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message, TopicPartition

from cutover_harness.admin import CLIENT_DEFAULTS
from cutover_harness.closing import Closing, close_client
from cutover_harness.headers import headers_of
from cutover_harness.types import PartitionId
from cutover_harness.verify.rows import Row

T = TypeVar("T")

CHUNK_BYTES = 1 << 20
"""Bytes of values that one chunk has, about."""
_QUEUE_KB, _FETCH_BYTES = 6 << 10, 2 << 20
_MOST, _FIRST = 4_000, 100
_WAIT_S = 0.05
SILENCE_S = 30.0
_TIMEOUT_S = 10.0
_REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own name
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
}


class ReadError(Exception):
    """A cluster refuses or does not answer, or a log is not the one that it was: one line."""


@dataclass
class Chunk:
    """Records that were read. `removed_to`: retention has removed what was to be read, up to this offset."""

    offsets: list[int]
    rows: list[Row]
    bytes: int = 0
    stamped: bool = False
    removed_to: int | None = None


class Reader(Closing):
    """Reads committed records of one cluster, one partition at a time, as no member of any group. Not thread-safe."""

    def __init__(self, config: Mapping[str, str], name: str, *, ahead_bytes: int | None = None) -> None:
        self.name = name
        fetch = _FETCH_BYTES if ahead_bytes is None else ahead_bytes
        settings: dict[str, str | int | bool] = {
            **CLIENT_DEFAULTS,
            **config,
            "group.id": "kafka-cutover-verify",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            # What retention has removed must be seen, not skipped.
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 20,
            "fetch.error.backoff.ms": 50,
            # By default a full queue stops fetching for a second.
            "fetch.queue.backoff.ms": 2,
            "fetch.message.max.bytes": fetch,
            "queued.min.messages": 100_000,
            "queued.max.messages.kbytes": _QUEUE_KB if ahead_bytes is None else max(1, ahead_bytes >> 10),
        }
        self._consumer = Consumer(settings)
        self._known: set[str] = set()
        self._count = _FIRST
        self._at = self._end = 0
        self._partition: PartitionId = ("", 0)
        self.ended = True

    def close(self) -> None:
        """Close the client."""
        close_client(self._consumer)

    @property
    def at(self) -> int:
        """The next offset to read."""
        return self._at

    def begin(self, partition: PartitionId, at: int, end: int) -> None:
        """Read this partition next, from `at` to before `end`."""
        self._partition, self._at, self._end = partition, at, end
        self.ended = at >= end
        if self.ended:  # the target may lack the topic
            self._consumer.unassign()
            return
        if partition[0] not in self._known:
            # Otherwise the client asks for the topic's metadata up to a second later.
            self._ask(lambda: self._consumer.list_topics(partition[0], timeout=_TIMEOUT_S))
            self._known.add(partition[0])
        self._assign()

    def read(self) -> Chunk:
        """Return the next records; `ended` is set behind the last one."""
        deadline = time.monotonic() + SILENCE_S
        while not self.ended:
            messages = self._consumer.consume(min(self._count, self._end - self._at), _WAIT_S)
            bad = [message for message in messages if message.error() is not None]
            if bad:
                messages = [message for message in messages if message.error() is None]
            if messages:
                chunk = self._chunk(messages)
                if bad:
                    self._note(bad, chunk)
                return chunk
            chunk = Chunk([], [])
            self._note(bad, chunk)
            if chunk.removed_to is not None:
                return chunk
            if time.monotonic() > deadline:
                raise ReadError(f"the {self.name} cluster did not answer within {SILENCE_S:.0f} s")
        return Chunk([], [])

    def first_at_time(self, partition: PartitionId, time_ms: int) -> int | None:
        """Return the first offset with this timestamp or a later one, None if there is none."""
        asked = [TopicPartition(*partition, time_ms)]
        found = self._ask(lambda: self._consumer.offsets_for_times(asked, timeout=_TIMEOUT_S))
        offset = int(found[0].offset)
        return offset if offset >= 0 else None

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(*self._partition, self._at)])

    def _chunk(self, messages: Sequence[Any]) -> Chunk:
        offsets = [int(message.offset() or 0) for message in messages]
        times = [message.timestamp() for message in messages]
        try:
            rows: list[Row] = [
                (message.key(), message.value(), message.headers(), time_ms)
                for message, (_, time_ms) in zip(messages, times, strict=True)
            ]
        except (SystemError, UnicodeDecodeError):
            rows = [
                (message.key(), message.value(), headers, time_ms)
                for message, headers, (_, time_ms) in zip(messages, headers_of(messages)[0], times, strict=True)
            ]
        size = sum(map(len, messages))
        self._count = min(_MOST, max(1, CHUNK_BYTES * len(messages) // (size + 64 * len(messages))))
        self._at = offsets[-1] + 1
        if self._at >= self._end:
            keep = next((n for n, offset in enumerate(offsets) if offset >= self._end), len(offsets))
            del offsets[keep:], rows[keep:]
            self._finish()
        return Chunk(offsets, rows, size, TIMESTAMP_LOG_APPEND_TIME in {kind for kind, _ in times})

    def _note(self, bad: Sequence[Message], chunk: Chunk) -> None:
        for message in bad:
            error = message.error()
            assert error is not None  # noqa: S101 - the caller has seen it
            if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                # A broker that is behind, right after it became the leader, may report an earlier end.
                if int(message.offset() or 0) >= self._end:
                    self._finish()
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
                chunk.removed_to = self._behind_removed()
            elif error.fatal() or error.code() in _REFUSED:
                raise ReadError(f"the {self.name} cluster: {self._name}: {error.str()}")

    def _behind_removed(self) -> int:
        low, high = self._ask(
            lambda: self._consumer.get_watermark_offsets(TopicPartition(*self._partition), timeout=_TIMEOUT_S)
        )
        if high < self._at:
            raise ReadError(
                f"{self._name}: the {self.name}'s log ends at {high} and was to be read from {self._at}: the topic was "
                f"recreated, or the cluster has lost records"
            )
        self._at = max(self._at, low)
        if self._at >= self._end:
            self._finish()
        else:
            self._assign()
        return self._at

    def _finish(self) -> None:
        self.ended = True
        self._consumer.unassign()

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except KafkaException as error:
            raise ReadError(f"the {self.name} cluster: {error.args[0].str()}") from None

    @property
    def _name(self) -> str:
        return f"{self._partition[0]}-{self._partition[1]}"
