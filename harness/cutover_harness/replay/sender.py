"""Send records and log them. Used by the producer process and by Locust users."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import Any, Protocol

import numpy as np
from confluent_kafka import KafkaException

from cutover_harness.ledger.columns import Array
from cutover_harness.ledger.format import ACKED, FAILED, NO_OFFSET, ROW_DTYPE, SENT, UNKNOWN
from cutover_harness.ledger.identity import HEADER
from cutover_harness.replay.inflight import InFlight
from cutover_harness.replay.records import Headers, Records
from cutover_harness.replay.rowlog import EventLog, row_log
from cutover_harness.types import ClusterName

__all__ = ["CLUSTERS", "EventLog", "Prepared", "ReplayProducer", "Sender"]

log = logging.getLogger(__name__)

CLUSTERS: dict[ClusterName | None, int] = {"source": 0, "target": 1, None: UNKNOWN}
"""The ledger's numbers for the values of `cutover_cluster()`."""
FULL_WAIT_S = 0.05


class ReplayProducer(Protocol):
    """The client interface of a replay: the shim's Producer, or the plain one with its cluster's name."""

    def produce(
        self,
        topic: str,
        value: bytes | None = ...,
        key: bytes | None = ...,
        partition: int = ...,
        callback: Callable[[Any, Any], None] | None = ...,
        on_delivery: Callable[[Any, Any], None] | None = ...,
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

    def cutover_cluster(self, topic: str | None = ...) -> ClusterName | None:
        """As the shim's."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Prepared:
    """A batch ready for sending: the arguments of `produce()`, and the rows for the ledger."""

    topics: list[str]
    values: list[bytes | None]
    keys: list[bytes | None]
    placed: list[int]
    stamps_ms: list[int]
    headers: list[Headers]
    due_ns: list[int]
    rows: Array

    def __len__(self) -> int:
        return len(self.topics)


class Sender:
    """Sends records with their identity, and logs each send and its result.

    `sequences`: the next sequence number by stream. `wait`: called while the client's queue is full, to
    serve it; returns False to give the record up (it then counts as failed).

    The client is to be served by `poll` and `flush` of the sender. Reports are gathered while the client is served and
    are in the ledger when that call returns: a process that is killed within it acknowledged less than it might have.
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
        self._ledger = row_log(ledger)
        self._run = run
        self._keep_partition = keep_partition
        self._next = {} if sequences is None else sequences
        self._wait = wait or self._serve
        self._in_flight = InFlight()
        self._topics: dict[str, int] = {}
        self._slots: list[int] = []  # of the records acknowledged since settle(), with their offsets
        self._offsets: list[int] = []
        self._partitions: list[int] = []
        self._acked_by: list[int] = []
        self._lost: list[tuple[int, int, int, str]] = []
        # A client that never changes its cluster is not asked for each record.
        only: ClusterName | None = getattr(producer, "only_cluster", None)
        self._only = None if only is None else CLUSTERS[only]
        self._report = self._reporter()
        self._reports: list[MethodType] = []  # the callback for each slot

    def prepare(self, records: Records) -> Prepared:
        """Number the records of a batch and prepare them. Each batch is prepared once, in order."""
        count = len(records)
        rows = np.zeros(count, ROW_DTYPE)
        identity = np.empty((count, 3), ">u8")
        identity[:, 0] = self._run
        identity[:, 1] = rows["stream"] = np.array(records.streams, np.uint64)
        identity[:, 2] = rows["sequence"] = self._sequences(records)
        raw = identity.tobytes()
        headers: list[Headers] = [[(HEADER, raw[at : at + 24])] for at in range(0, 24 * count, 24)]
        if any(records.headers):
            for all_, own in zip(headers, records.headers, strict=True):
                all_.extend(own or ())
        placed = records.partitions
        if not self._keep_partition:
            # An unkeyed record's stream is its partition, so it keeps it, whatever partitions the others get.
            placed = [p if key is None else -1 for p, key in zip(placed, records.keys, strict=True)]
        for topic in set(records.topics) - self._topics.keys():
            self._topics[topic] = self._ledger.topic_number(topic)
        rows["partition"] = placed
        rows["topic"] = list(map(self._topics.__getitem__, records.topics))
        rows["offset"] = NO_OFFSET
        return Prepared(
            records.topics, records.values, records.keys, placed, records.stamps_ms, headers, records.due_ns, rows
        )

    def _sequences(self, records: Records) -> list[int]:
        following = self._next
        out = []
        for number, stream in enumerate(records.streams):
            sequence = following.get(stream)
            if sequence is None:
                sequence = 0
                self._ledger.name_stream(
                    stream, records.topics[number], records.keys[number], records.partitions[number]
                )
            following[stream] = sequence + 1
            out.append(sequence)
        return out

    def send(self, batch: Prepared, start: int, end: int) -> None:
        """Send the records from `start` to `end`.

        Returns when the client has taken them. Waits, and never drops, while the client's queue is full.
        """
        rows = batch.rows[start:end]
        topics = batch.topics[start:end]
        before = rows["cluster"] = self._clusters(topics)
        place = self._ledger.append_rows(rows, SENT)
        slots = self._in_flight.put(rows)
        self.sent += len(slots)
        produce, reports = self.producer.produce, self._reports
        while len(reports) < self._in_flight.slots:
            reports.append(MethodType(self._report, len(reports)))
        columns = zip(
            map(reports.__getitem__, slots), topics, batch.values[start:end], batch.keys[start:end],
            batch.placed[start:end], batch.stamps_ms[start:end], batch.headers[start:end], strict=True,
        )  # fmt: skip
        for done, topic, value, key, placed, stamp, headers in columns:
            try:
                produce(topic, value, key, placed, done, None, stamp, headers)  # by position: twice as fast
            except BufferError:
                self._again(topic, value, key, placed, done, None, stamp, headers)
            except KafkaException as why:  # only this record is refused, for example for its size
                self._refused(done, topic, why)
        if self._only is None and self._clusters(topics) != before:
            # The cluster changed in between: the acknowledgements contain each record's cluster.
            self._ledger.set_cluster(place, len(rows), UNKNOWN)

    def poll(self, timeout: float) -> None:
        """Serve the client for at most this many seconds, and log its reports."""
        self.producer.poll(timeout)
        self.settle()

    def flush(self, timeout: float) -> int:
        """Flush the client for at most this many seconds, log its reports, and return how many records are left."""
        left = self.producer.flush(timeout)
        self.settle()
        return left

    def tick(self) -> None:
        """Do what is due now between two records; only transactions need it."""

    def finish(self) -> None:
        """End an open transaction after the last record."""

    def settle(self) -> None:
        """Log the client's reports since the last call."""
        if self._slots:
            rows = self._in_flight.take(self._slots)
            rows["offset"] = self._offsets
            rows["cluster"] = self._acked_by if self._only is None else self._only
            if not self._keep_partition:
                rows["partition"] = self._partitions
            for each in (self._slots, self._offsets, self._partitions, self._acked_by):
                each.clear()
            self._acknowledge(rows)
        if self._lost:
            lost = self._lost[:]
            self._lost.clear()
            rows = self._in_flight.take([slot for slot, *_ in lost])
            found = np.array([partition for _, partition, *_ in lost], np.int32)
            rows["partition"] = np.where(found < 0, rows["partition"], found)
            rows["cluster"] = [cluster for *_, cluster, _ in lost]
            for sequence, (*_, why) in zip(rows["sequence"].tolist(), lost, strict=True):
                self._complain(sequence, why)
            self._fail(rows)

    def _acknowledge(self, rows: Array) -> None:
        self._ledger.append_rows(rows, ACKED)
        self.acked += len(rows)

    def _fail(self, rows: Array) -> None:
        self._ledger.append_rows(rows, FAILED)

    def _clusters(self, topics: list[str]) -> int | list[int]:
        """Return the current cluster for records of each topic; a single one if it is the same for all."""
        if self._only is not None:
            return self._only
        ask = self.producer.cutover_cluster
        known = {topic: CLUSTERS[ask(topic)] for topic in dict.fromkeys(topics)}
        if len(known) == 1:
            return known[topics[0]]
        return [known[topic] for topic in topics]

    def _reporter(self) -> Callable[[int, Any, Any], None]:
        """Return the callback function that is bound to each record's slot: a hot path, so no method."""
        add_slot, add_offset, lose = self._slots.append, self._offsets.append, self._lost.append
        add_partition, add_cluster = self._partitions.append, self._acked_by.append
        ask, only, moved = self.producer.cutover_cluster, self._only, not self._keep_partition

        def report(slot: int, error: Any, message: Any) -> None:
            cluster = CLUSTERS[ask(message.topic())] if only is None else only
            if error is not None:
                lose((slot, message.partition(), cluster, f"{message.topic()}: not acknowledged: {error}"))
                return
            add_slot(slot)
            offset = message.offset()
            # None: a retry found it already in the log, and the broker did not return the offset.
            add_offset(NO_OFFSET if offset is None else offset)
            if moved:
                add_partition(message.partition())
            if only is None:
                add_cluster(cluster)

        return report

    def _serve(self) -> bool:
        self.poll(FULL_WAIT_S)
        return True

    def _again(self, topic: str, *rest: Any) -> None:
        """Produce a record again that the client's full queue refused."""
        report = rest[3]
        while True:
            self.full += 1
            if not self._wait():
                self._refused(report, topic, "the client's queue was full until the end")
                return
            try:
                self.producer.produce(topic, *rest)
            except BufferError:
                continue
            except KafkaException as why:
                self._refused(report, topic, why)
            return

    def _refused(self, report: MethodType, topic: str, why: Any) -> None:
        slot: Any = report.__self__
        cluster = CLUSTERS[self.producer.cutover_cluster(topic)]
        self._lost.append((slot, -1, cluster, f"{topic}: not sent: {why}"))

    def _complain(self, sequence: int, why: str) -> None:
        self.failed += 1
        if not self.failed & (self.failed - 1):  # the 1st, 2nd, 4th, 8th, …: a broken cluster must not fill the disk
            log.warning("%s (sequence %d, failure %d)", why, sequence, self.failed)
