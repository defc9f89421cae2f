"""The replay step: one record onto the wire, accounted for. Used by the producer process and by Locust users."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from confluent_kafka import KafkaException

from cutover_harness.ledger.identity import HEADER, encode
from cutover_harness.replay.records import Headers

log = logging.getLogger(__name__)

CLUSTERS: dict[str | None, int] = {"source": 0, "target": 1, None: 255}
"""The ledger's numbers of what `cutover_cluster()` returns."""
FULL_WAIT_S = 0.05


class ReplayProducer(Protocol):
    """What the replay needs of a client: the shim's Producer, or the raw one with its cluster's name added."""

    def produce(
        self,
        topic: str,
        value: bytes | None = ...,
        key: bytes | None = ...,
        partition: int = ...,
        callback: Callable[[Any, Any], None] | None = ...,
        *,
        timestamp: int = ...,
        headers: Any = ...,
    ) -> None:
        """As the client's."""
        ...

    def poll(self, timeout: float = ...) -> int:
        """As the client's."""
        ...

    def flush(self, timeout: float = ...) -> int:
        """As the client's."""
        ...

    def cutover_cluster(self, topic: str | None = ...) -> str | None:
        """As the shim's."""
        ...

    def __len__(self) -> int: ...


class EventLog(Protocol):
    """Where events are written to: a LedgerWriter, or a summary of what would be in one."""

    def sent(self, topic: str, partition: int, stream: int, sequence: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def acked(self, topic: str, partition: int, offset: int, stream: int, sequence: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def failed(self, topic: str, partition: int, stream: int, sequence: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def aborted(self, topic: str, partition: int, stream: int, sequence: int, cluster: int, offset: int = ...) -> None:
        """As LedgerWriter's."""
        ...

    def delivered(self, topic: str, partition: int, offset: int, stream: int, sequence: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def committed(self, topic: str, partition: int, offset: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def assigned(self, topic: str, partition: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def revoked(self, topic: str, partition: int, cluster: int) -> None:
        """As LedgerWriter's."""
        ...

    def name_stream(self, stream: int, topic: str, key: bytes | None, partition: int) -> None:
        """As LedgerWriter's."""
        ...


class Sender:
    """Sends records with their identity, and writes to the ledger what was sent and what became of it.

    `sequences`: the next sequence number by stream, to go on from. `wait`: called while the client's queue is full, to
    serve it; returns False to give the record up (it then counts as failed).
    """

    def __init__(
        self,
        producer: ReplayProducer,
        ledger: EventLog,
        run: int,
        *,
        keep_partition: bool = True,
        sequences: dict[int, int] | None = None,
        wait: Callable[[], bool] | None = None,
    ) -> None:
        self.producer = producer
        self.sent = 0
        self.acked = 0
        self.failed = 0
        self.aborted = 0
        self.full = 0
        self._ledger = ledger
        self._run = run
        self._keep_partition = keep_partition
        self._next = {} if sequences is None else sequences
        self._wait = wait or self._serve

    def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None,
        stream: int,
        stamp_ms: int,
    ) -> None:
        """Send one record.

        Returns when the client has taken it. Waits, and never drops, while the client's queue is full.
        """
        sequence = self._next.get(stream)
        if sequence is None:
            sequence = 0
            self._ledger.name_stream(stream, topic, key, partition)
        self._next[stream] = sequence + 1
        mark = (HEADER, encode(self._run, stream, sequence))
        all_headers = [mark, *headers] if headers else [mark]
        # An unkeyed record's stream is its partition, so it keeps that one whoever places the others.
        placed = partition if self._keep_partition or key is None else -1
        report = partial(self._report, topic, stream, sequence)
        producer = self.producer
        self._ledger.sent(topic, placed, stream, sequence, CLUSTERS[producer.cutover_cluster(topic)])
        self.sent += 1
        while True:
            try:
                producer.produce(topic, value, key, placed, report, timestamp=stamp_ms, headers=all_headers)
            except BufferError:
                self.full += 1
                if self._wait():
                    continue
                self._give_up(topic, placed, stream, sequence, "the client's queue was full until the end")
            except KafkaException as why:  # this record is refused, as for its size; the next one may be fine
                self._give_up(topic, placed, stream, sequence, str(why))
            return

    def tick(self) -> None:
        """Do what is due at this time, between two records; nothing, unless there are transactions."""

    def finish(self) -> None:
        """End what is open, after the last record."""

    def _serve(self) -> bool:
        self.producer.poll(FULL_WAIT_S)
        return True

    def _give_up(self, topic: str, partition: int, stream: int, sequence: int, why: str) -> None:
        self._complain("not sent", topic, sequence, why)
        self._lost(topic, partition, stream, sequence, CLUSTERS[self.producer.cutover_cluster(topic)])

    def _report(self, topic: str, stream: int, sequence: int, error: Any, message: Any) -> None:
        cluster = CLUSTERS[self.producer.cutover_cluster(topic)]
        if error is None:
            self._acknowledged(topic, message.partition(), message.offset(), stream, sequence, cluster)
        else:
            self._complain("not acknowledged", topic, sequence, error)
            self._lost(topic, -1 if message is None else message.partition(), stream, sequence, cluster)

    def _acknowledged(self, topic: str, partition: int, offset: int, stream: int, sequence: int, cluster: int) -> None:
        self._ledger.acked(topic, partition, offset, stream, sequence, cluster)
        self.acked += 1

    def _lost(self, topic: str, partition: int, stream: int, sequence: int, cluster: int) -> None:
        self._ledger.failed(topic, partition, stream, sequence, cluster)

    def _complain(self, what: str, topic: str, sequence: int, why: Any) -> None:
        self.failed += 1
        if not self.failed & (self.failed - 1):  # the 1st, 2nd, 4th, 8th, …: a broken cluster must not fill the disk
            log.warning("%s: %s, sequence %d: %s (failure %d)", what, topic, sequence, why, self.failed)
