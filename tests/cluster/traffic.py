"""What tests of the mirror do to clusters: write, read, wait."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from cutover_harness.admin import Admin
from cutover_harness.mirror import Batch, Mirror, MirrorSpec, ReverseMirror
from cutover_harness.mirror.log_reader import LogReader, Record, partitions
from cutover_harness.testbed import ProcessTestbed
from cutover_harness.types import PartitionId

from tests import waiting

eventually = partial(waiting.eventually, seconds=40)


Config = Mapping[str, str]


def mirror_spec(bed: ProcessTestbed, batch: Batch, reverse_connect_url: str | None = None) -> MirrorSpec:
    """The mirror of a batch between the two clusters of the testbed."""
    return MirrorSpec(
        batch,
        bed.connect_url,
        bed.source.client_config(),
        bed.target.client_config(),
        exactly_once=bed.exactly_once,
        reverse_connect_url=reverse_connect_url,
    )


@contextmanager
def mirroring(
    bed: ProcessTestbed, topic: str, groups: Iterable[str] = (), reverse_connect_url: str | None = None
) -> Iterator[Mirror]:
    """The topic's own mirror, deleted at the end."""
    with Mirror(mirror_spec(bed, Batch(topic, (topic,), tuple(groups)), reverse_connect_url)) as mirror:
        mirror.create()
        try:
            yield mirror
        finally:
            mirror.delete()


def wait_drained(mirror: Mirror | ReverseMirror) -> None:
    assert eventually(lambda: mirror.drained()[0]), mirror.drained()


def produce(config: Config, topic: str, values: Iterable[object]) -> None:
    producer = Producer({**config, "linger.ms": 5})
    for value in values:
        text = str(value)
        while True:
            try:
                producer.produce(topic, text.encode(), key=f"key-{text[-2:]}".encode(), headers={"n": text.encode()})
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(30) == 0


def produce_transactions(config: Config, topic: str, count: int, size: int = 20) -> None:
    """Transactions of `size` records, every third aborted."""
    producer = Producer({**config, "transactional.id": f"{topic}-transactions"})
    producer.init_transactions(20)
    for number in range(count):
        producer.begin_transaction()
        for n in range(size):
            producer.produce(topic, f"{number}-{n}".encode(), key=b"%d" % n)
        producer.flush(20)
        if number % 3 == 1:
            producer.abort_transaction(20)
        else:
            producer.commit_transaction(20)


def log(config: Config, topic: str) -> dict[PartitionId, list[Record]]:
    """All committed records of the topic."""
    reader = LogReader(config, "read")
    try:
        return reader.read(dict.fromkeys(partitions(Admin(config).partitions([topic])), 0))
    finally:
        reader.close()


def read_on(config: Config, group: str, topic: str) -> dict[PartitionId, list[bytes | None]]:
    """The values that the group is delivered from its committed offsets until the end of every partition."""
    consumer = Consumer(
        {
            **config,
            "group.id": group,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    left = set(partitions(Admin(config).partitions([topic])))
    found: dict[PartitionId, list[bytes | None]] = {partition: [] for partition in left}
    consumer.assign([TopicPartition(topic, number) for _, number in left])
    deadline = time.monotonic() + 20
    while left and time.monotonic() < deadline:
        for message in consumer.consume(500, 0.1):
            partition = topic, int(message.partition() or 0)
            error = message.error()
            if error is None:
                found[partition].append(message.value())
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard(partition)
            else:
                raise AssertionError(error)
    consumer.close()
    assert not left
    return found


def values(records: Iterable[Record]) -> list[bytes | None]:
    return [record.value for record in records]
