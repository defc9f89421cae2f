"""Reads records of a cluster's logs by offset, and compares records of two clusters."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message, TopicPartition

from cutover_harness.admin import CLIENT_DEFAULTS
from cutover_harness.closing import close_client
from cutover_harness.headers import headers_or_none
from cutover_harness.mirror.client_properties import librdkafka
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.types import PartitionId

_READ_LIMIT_S = 5.0
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Record:
    """The parts of a record that a mirror preserves, and its offset."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    # Milliseconds; None if the broker set it, because each cluster then has its own.
    timestamp: int | None

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers

    def same_as(self, other: "Record") -> bool:
        """Return whether the two are equal in what MirrorMaker 2 preserves: key, value, headers and timestamp."""
        return (
            self.key == other.key
            and self.value == other.value
            and self.headers == other.headers
            and (self.timestamp == other.timestamp or self.timestamp is None or other.timestamp is None)
        )


class LogReader:
    """Reads committed records of one cluster by offset, as no member of any group. Not thread-safe.

    One client is kept, so that a look takes milliseconds, and replaced if the cluster does not answer; then
    MirrorError is raised. `ahead_bytes`: how much the client fetches in advance of a partition (None: its defaults).
    `committed`: False reads records of transactions that are open or aborted, too.
    """

    def __init__(
        self, config: Mapping[str, str], name: str, *, ahead_bytes: int | None = None, committed: bool = True
    ) -> None:
        self._name = name
        self._config: dict[str, str | int | bool] = {
            **CLIENT_DEFAULTS,
            **librdkafka(config),
            "group.id": "kafka-cutover-reader",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            # If retention has overtaken a position, reading begins at the log's start.
            "auto.offset.reset": "earliest",
            # Most reads are at the end of a log, where waiting for more would take most of the time.
            "fetch.wait.max.ms": 5,
            "fetch.error.backoff.ms": 50,
        }
        if ahead_bytes is not None:
            self._config |= {
                "fetch.message.max.bytes": ahead_bytes,
                "queued.min.messages": 1,
                "queued.max.messages.kbytes": max(1, ahead_bytes >> 10),
            }
        self._open()

    def _open(self) -> None:
        self._known: set[str] = set()
        self._consumer = Consumer(self._config)

    def close(self) -> None:
        """Close the client."""
        close_client(self._consumer)

    def read(
        self,
        positions: Mapping[PartitionId, int],
        wanted: Callable[[PartitionId, Record], bool] = lambda _p, _r: True,
        least: Mapping[PartitionId, int] = MappingProxyType({}),
    ) -> dict[PartitionId, list[Record]]:
        """Read each partition from its position until its end, or until `wanted` returns False for a record.

        `least`: as in `scan`.
        """
        found: dict[PartitionId, list[Record]] = {partition: [] for partition in positions}

        def keep(partition: PartitionId, record: Record) -> bool:
            found[partition].append(record)
            return wanted(partition, record)

        self.scan(positions, keep, least)
        return found

    def scan(
        self,
        positions: Mapping[PartitionId, int],
        visit: Callable[[PartitionId, Record], bool],
        least: Mapping[PartitionId, int] = MappingProxyType({}),
    ) -> frozenset[PartitionId]:
        """Call `visit` for the records of each partition from its position on, until its end or until it returns False.

        Return the partitions that were read to their ends. Raises MirrorError for one that the cluster does not list.
        `least`: stable offsets that the cluster has reported; an end before them is the view of a new leader that does
        not know yet up to where its log is committed (KIP-207 holds for offsets, not for reading), and is none.
        """
        try:
            return self._scan(positions, visit, least)
        except MirrorError:
            close_client(self._consumer)  # it may have lost all brokers, like a client of Admin
            self._open()
            raise

    def _scan(
        self,
        positions: Mapping[PartitionId, int],
        visit: Callable[[PartitionId, Record], bool],
        least: Mapping[PartitionId, int],
    ) -> frozenset[PartitionId]:
        left, ended = set(positions), set[PartitionId]()
        deadline = time.monotonic() + _READ_LIMIT_S
        self._learn({topic for topic, _ in positions})
        self._consumer.assign([TopicPartition(topic, number, at) for (topic, number), at in positions.items()])
        try:
            while left:
                messages = self._consumer.consume(_BATCH, 0.01)
                before = frozenset(left)
                for message in messages:
                    partition = (str(message.topic()), int(message.partition() or 0))
                    if self._is_end(message):
                        if int(message.offset() or 0) >= least.get(partition, 0):
                            ended |= left & {partition}
                            left.discard(partition)
                    elif message.error() is None and partition in left and not visit(partition, _record(message)):
                        left.discard(partition)
                if left and (done := before - left):
                    # Otherwise the client continues to fetch them.
                    self._consumer.incremental_unassign([TopicPartition(topic, number) for topic, number in done])
                if messages:
                    deadline = max(deadline, time.monotonic() + 1.0)
                if left and time.monotonic() > deadline:
                    raise MirrorError(f"the {self._name} cluster did not answer within {_READ_LIMIT_S:.0f} s")
        finally:
            self._consumer.unassign()
        return frozenset(ended)

    def last(
        self, ends: Mapping[PartitionId, int], starts: Mapping[PartitionId, int]
    ) -> dict[PartitionId, Record | None]:
        """Return the last committed record of each partition, None if there is none between start and end.

        Transaction markers and aborted records may precede an end, so the search goes back in growing steps.
        """
        result: dict[PartitionId, Record | None] = dict.fromkeys(ends)
        step = 1
        left = {partition for partition, end in ends.items() if end > starts.get(partition, 0)}
        while left:
            positions = {p: max(starts.get(p, 0), ends[p] - step) for p in left}
            for partition, records in self.read(positions).items():
                if records:
                    result[partition] = records[-1]
                if records or positions[partition] <= starts.get(partition, 0):
                    left.discard(partition)
            step *= 16
        return result

    def at(self, offsets: Mapping[PartitionId, int]) -> dict[PartitionId, Record | None]:
        """Return the committed record at exactly each offset, None if there is none."""
        found = self.read(offsets, lambda _partition, _record: False)
        return {p: next((r for r in records if r.offset == offsets[p]), None) for p, records in found.items()}

    def first_at(self, times: Mapping[PartitionId, int]) -> dict[PartitionId, int | None]:
        """Return the first offset with this timestamp (milliseconds) or a later one, None if there is none."""
        asked = [TopicPartition(topic, number, at) for (topic, number), at in times.items()]
        with answering(self._name):
            found = self._consumer.offsets_for_times(asked, timeout=_READ_LIMIT_S)
        return {(each.topic, each.partition): each.offset if each.offset >= 0 else None for each in found}

    def leaders(self, asked: Iterable[PartitionId]) -> dict[int, list[PartitionId]]:
        """Return these partitions by the broker that leads them."""
        with answering(self._name):
            known = self._consumer.list_topics(timeout=_READ_LIMIT_S).topics
        found: dict[int, list[PartitionId]] = {}
        for topic, number in asked:
            if topic in known and number in known[topic].partitions:
                found.setdefault(known[topic].partitions[number].leader, []).append((topic, number))
        return found

    def _learn(self, topics: set[str]) -> None:
        """Fetch metadata of new topics now; otherwise the client does so up to a second after they are assigned."""
        if topics - self._known:
            with answering(self._name):
                self._consumer.list_topics(timeout=_READ_LIMIT_S)
            self._known |= topics

    def _is_end(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return False
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name
            return True
        if error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION}:  # noqa: SLF001
            # No end: a broker that has just started answers so for topics that exist. The caller reads again.
            raise MirrorError(f"the {self._name} cluster does not list {message.topic()}-{message.partition()} now")
        if error.fatal() or error.code() in {
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError._AUTHENTICATION,  # noqa: SLF001
        }:
            raise MirrorError(f"the {self._name} cluster refuses: {KafkaException(error)}")
        return False


@contextmanager
def answering(name: str) -> Iterator[None]:
    """Raise MirrorError for the client's errors if the cluster refuses or does not answer."""
    try:
        yield
    except KafkaException as error:
        raise MirrorError(f"the {name} cluster: {error.args[0].str()}") from error


def partitions(counts: Mapping[str, int]) -> Iterable[PartitionId]:
    """Return all partitions of topics with these partition counts."""
    return ((topic, number) for topic, count in counts.items() for number in range(count))


def _record(message: Message) -> Record:
    kind, time_ms = message.timestamp()
    return Record(
        offset=int(message.offset() or 0),
        key=message.key(),
        value=message.value(),
        headers=tuple(headers_or_none(message) or ()),
        timestamp=None if kind == TIMESTAMP_LOG_APPEND_TIME else time_ms,
    )
