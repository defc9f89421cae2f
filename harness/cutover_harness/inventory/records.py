"""Reads records of many partitions from given offsets to given ends, as no member of a group, at most 10 MB/s."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from cutover_harness.admin import CLIENT_DEFAULTS
from cutover_harness.closing import close_client
from cutover_harness.inventory.calls import Calls
from cutover_harness.token_bucket import TokenBucket
from cutover_harness.types import PartitionId

_BYTES_PER_S = 10e6
_SLICE = 500
_SILENCE_S = 30.0
_BATCH = 1000
_LOST = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART})
Ranges = Mapping[PartitionId, tuple[int, int]]
"""First offset to read, and the one to stop before."""


class RecordReader:
    """Calls `visit` for each record; what cannot be read becomes a gap about `what` with the topic's name."""

    def __init__(
        self, calls: Calls, config: Mapping[str, str], what: str, remedy: str, visit: Callable[[Message], None]
    ) -> None:
        self._calls, self._config, self._what, self._remedy = calls, config, what, remedy
        self._visit = visit
        self._pace = TokenBucket(_BYTES_PER_S)
        self._left: dict[PartitionId, int] = {}

    def read(self, ranges: Ranges) -> None:
        """Read all ranges."""
        wanted = [partition for partition, (first, end) in ranges.items() if end > first]
        try:
            consumer = Consumer(_properties(self._config))
        except KafkaException as error:
            self._failed(error, "")
            return
        try:
            for part in self._calls.slices(wanted, _SLICE, f"{self._what}: partitions", len(wanted)):
                self._left = {partition: ranges[partition][1] for partition in part}
                consumer.assign([TopicPartition(*partition, ranges[partition][0]) for partition in part])
                self._read(consumer)
        except KafkaException as error:
            self._failed(error, "")
        finally:
            close_client(consumer)

    def _read(self, consumer: Consumer) -> None:
        heard = time.monotonic()
        while self._left:
            before = set(self._left)
            messages = consumer.consume(_BATCH, 0.5)
            for message in messages:
                self._take(message)
            if done := before - set(self._left):
                consumer.incremental_unassign([TopicPartition(*partition) for partition in done])
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENCE_S:
                for topic in sorted({topic for topic, _ in self._left}):
                    self._failed(TimeoutError(f"no answer for {_SILENCE_S:.0f} s"), topic)
            time.sleep(self._pace.wait_s)
        consumer.unassign()

    def _take(self, message: Message) -> None:
        error, topic = message.error(), str(message.topic())
        partition = (topic, int(message.partition() or 0))
        if error is None:
            self._pace.take(len(message.key() or b"") + len(message.value() or b""))
            if partition in self._left:
                self._visit(message)
                if int(message.offset() or 0) + 1 >= self._left[partition]:
                    del self._left[partition]
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's name
            self._left.pop(partition, None)
        elif error.code() in _LOST:
            self._failed(KafkaException(error), topic)
        elif error.fatal():
            raise KafkaException(error)

    def _failed(self, error: BaseException, topic: str) -> None:
        """Add a gap, and read no further partition of the topic."""
        self._calls.failed(self._what, error, [topic] if topic else [], self._remedy)
        self._left = {partition: end for partition, end in self._left.items() if partition[0] != topic}


def _properties(config: Mapping[str, str]) -> dict[str, Any]:
    return {
        **CLIENT_DEFAULTS,
        **config,
        "client.id": "kafka-cutover",
        "group.id": "kafka-cutover-inventory",  # the client requires one; assign() never joins it
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_uncommitted",
        "fetch.message.max.bytes": 262_144,
        "queued.min.messages": 1,
        "queued.max.messages.kbytes": 16_384,
    }
