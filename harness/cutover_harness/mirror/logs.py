"""Reading single records of a cluster's logs, and telling whether two records on two clusters are the same one."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message, TopicPartition

from cutover_harness.admin import CLIENT_DEFAULTS, Partition
from cutover_harness.headers import headers_or_none
from cutover_harness.mirror.clients import librdkafka
from cutover_harness.mirror.errors import MirrorError

_READ_LIMIT_S = 5.0
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Record:
    """A record as far as a mirror has to preserve it, and where it is."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    # Milliseconds; None where the broker set it, since each cluster then has its own.
    timestamp: int | None

    def same_as(self, other: "Record") -> bool:
        """Tell whether the two are equal in all that MirrorMaker 2 preserves: key, value, headers and timestamp."""
        return (
            self.key == other.key
            and self.value == other.value
            and self.headers == other.headers
            and (self.timestamp == other.timestamp or self.timestamp is None or other.timestamp is None)
        )


class LogReader:
    """Reads committed records of one cluster by offset, as no member of any group. Not for several threads at once.

    One client is kept, so that a look takes milliseconds, and replaced where the cluster did not answer; then
    MirrorError is raised.
    """

    def __init__(self, config: Mapping[str, str], name: str) -> None:
        self._name = name
        self._config: dict[str, str | int | bool] = {
            **CLIENT_DEFAULTS,
            **librdkafka(config),
            "group.id": "kafka-cutover-reader",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            # A position that retention has overtaken is read from what is left.
            "auto.offset.reset": "earliest",
            # Looks are at the end of the log: waiting there for more would be most of the time.
            "fetch.wait.max.ms": 5,
            "fetch.error.backoff.ms": 50,
        }
        self._open()

    def _open(self) -> None:
        self._known: set[str] = set()
        self._consumer = Consumer(self._config)

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()

    def read(
        self, positions: Mapping[Partition, int], wanted: Callable[[Partition, Record], bool] = lambda _p, _r: True
    ) -> dict[Partition, list[Record]]:
        """Read each partition from its position until its end, or until `wanted` says that a record is the last."""
        found: dict[Partition, list[Record]] = {partition: [] for partition in positions}

        def keep(partition: Partition, record: Record) -> bool:
            found[partition].append(record)
            return wanted(partition, record)

        self.scan(positions, keep)
        return found

    def scan(
        self, positions: Mapping[Partition, int], visit: Callable[[Partition, Record], bool]
    ) -> frozenset[Partition]:
        """Show `visit` the records of each partition from its position on, until its end or until it says no.

        Returns the partitions that were shown to their ends. Raises MirrorError for one that the cluster does not list.
        """
        try:
            return self._scan(positions, visit)
        except MirrorError:
            self._consumer.close()  # it may know no broker any more, as a client of Admin's
            self._open()
            raise

    def _scan(
        self, positions: Mapping[Partition, int], visit: Callable[[Partition, Record], bool]
    ) -> frozenset[Partition]:
        left, ended = set(positions), set[Partition]()
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
                        ended |= left & {partition}
                        left.discard(partition)
                    elif message.error() is None and partition in left and not visit(partition, _record(message)):
                        left.discard(partition)
                if left and (done := before - left):
                    # Else the client goes on to fetch what nobody wants.
                    self._consumer.incremental_unassign([TopicPartition(topic, number) for topic, number in done])
                if messages:
                    deadline = max(deadline, time.monotonic() + 1.0)
                if left and time.monotonic() > deadline:
                    raise MirrorError(f"the {self._name} cluster did not answer within {_READ_LIMIT_S:.0f} s")
        finally:
            self._consumer.unassign()
        return frozenset(ended)

    def last(self, ends: Mapping[Partition, int], starts: Mapping[Partition, int]) -> dict[Partition, Record | None]:
        """Return the last committed record of each partition, None where there is none between start and end.

        An end may be behind transaction markers and aborted records, so the search goes back in growing steps.
        """
        result: dict[Partition, Record | None] = dict.fromkeys(ends)
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

    def at(self, offsets: Mapping[Partition, int]) -> dict[Partition, Record | None]:
        """Return the committed record at each offset exactly, None where there is none."""
        found = self.read(offsets, lambda _partition, _record: False)
        return {p: next((r for r in records if r.offset == offsets[p]), None) for p, records in found.items()}

    def _learn(self, topics: set[str]) -> None:
        """Let the client ask where new topics are now, instead of up to a second after they are assigned."""
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
            # No end: a broker that has just started says it of topics that exist. Whoever reads asks again.
            raise MirrorError(f"the {self._name} cluster does not list {message.topic()}-{message.partition()} now")
        if error.fatal() or error.code() in {
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError._AUTHENTICATION,  # noqa: SLF001
        }:
            raise MirrorError(f"the {self._name} cluster refuses: {KafkaException(error)}")
        return False


@contextmanager
def answering(name: str) -> Iterator[None]:
    """Turn what the client raises where the cluster refuses or does not answer into MirrorError."""
    try:
        yield
    except KafkaException as error:
        raise MirrorError(f"the {name} cluster: {error.args[0].str()}") from error


def partitions(counts: Mapping[str, int]) -> Iterable[Partition]:
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
