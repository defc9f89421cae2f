"""The contract: what confluent_kafka's clients do, expected of the raw clients and of the shim alike.

Every body takes a `client` (see `Client`) and works on librdkafka's mock cluster and on a real broker.
"""

from __future__ import annotations

import gc
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

_number = itertools.count()


class Client:
    """The clients under contract, on one cluster."""

    def __init__(
        self, producer: Any, consumer: Any, conf: dict[str, Any], create: Callable[[str, int], None], partitions: int
    ) -> None:
        self._producer, self._consumer, self._conf, self._create = producer, consumer, conf, create
        self.partitions = partitions

    def producer(self, **conf: Any) -> Any:
        return self._producer({**self._conf, **conf})

    def consumer(self, group: str, **conf: Any) -> Any:
        return self._consumer({**self._conf, "group.id": group, "auto.offset.reset": "earliest", **conf})

    def topic(self) -> str:
        name = f"contract-{time.time_ns()}-{next(_number)}"
        self._create(name, self.partitions)
        return name

    def filled(self, count: int) -> str:
        topic = self.topic()
        producer = self.producer()
        for n in range(count):
            producer.produce(topic, value=str(n), key=str(n), partition=n % 2)
        assert producer.flush(20) == 0
        producer.close()
        return topic


def read(consumer: Any, count: int, timeout: float = 25) -> list[Any]:
    out: list[Any] = []
    deadline = time.monotonic() + timeout
    while len(out) < count and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            out.append(message)
    assert len(out) == count
    return out


# -- producer --------------------------------------------------------------------------------------------------------


def test_delivery_reports(client: Client) -> None:
    topic = client.topic()
    producer = client.producer()
    reports: list[Any] = []
    producer.produce(topic, b"v", b"k", 1, lambda e, m: reports.append((e, m)), timestamp=1234567890123)
    producer.produce(topic, value="é", key=None, partition=1, on_delivery=lambda e, m: reports.append((e, m)))
    producer.produce(topic=topic, partition=1)
    assert len(producer) == 3
    assert producer.flush() == 0
    assert len(producer) == 0
    assert [e for e, _ in reports] == [None, None]
    first, second = (m for _, m in reports)
    assert (first.topic(), first.partition(), first.offset(), first.key(), first.value()) == (topic, 1, 0, b"k", b"v")
    assert second.value() == "é".encode()
    assert second.latency() is not None
    producer.close()


def test_callbacks_run_in_poll_and_flush_on_the_callers_thread(client: Client) -> None:
    topic = client.topic()
    producer = client.producer()
    where: list[int] = []
    producer.produce(topic, b"x", on_delivery=lambda e, m: where.append(threading.get_ident()))
    time.sleep(0.3)
    assert where == []
    served = 0
    deadline = time.monotonic() + 10
    while not where and time.monotonic() < deadline:
        served += producer.poll(0.1)
    assert where == [threading.get_ident()]
    assert served >= 1
    producer.close()


def test_poll_raises_a_callbacks_exception_and_serves_the_rest_afterwards(client: Client) -> None:
    topic = client.topic()
    producer = client.producer()
    seen: list[int] = []

    def report(error: Any, message: Any) -> None:
        seen.append(int(message.value()))
        if len(seen) == 1:
            raise ValueError("from the application")

    for n in range(3):
        producer.produce(topic, str(n), partition=0, on_delivery=report)
    with pytest.raises(ValueError, match="from the application"):
        producer.flush(10)
    producer.flush(10)
    assert seen == [0, 1, 2]

    def runtime_error(error: Any, message: Any) -> None:
        raise RuntimeError("also from the application")

    producer.produce(topic, "3", on_delivery=runtime_error)
    time.sleep(0.5)
    with pytest.raises(RuntimeError, match="also from"):
        producer.poll(5)
    producer.close()


def test_a_callback_may_produce(client: Client) -> None:
    topic = client.topic()
    producer = client.producer()
    done: list[bytes] = []

    def first(error: Any, message: Any) -> None:
        done.append(message.value())
        producer.produce(topic, "second", on_delivery=lambda e, m: done.append(m.value()))

    producer.produce(topic, "first", on_delivery=first)
    assert producer.flush(10) == 0
    assert done == [b"first", b"second"]
    producer.close()


def test_the_clients_own_delivery_callback(client: Client) -> None:
    topic = client.topic()
    seen: list[Any] = []
    producer = client.producer(on_delivery=lambda e, m: seen.append(m.value()))
    producer.produce(topic, "default")
    producer.produce(topic, "own", on_delivery=lambda e, m: seen.append(b"of its own"))
    producer.flush(10)
    assert sorted(seen) == [b"default", b"of its own"]
    producer.close()


def test_headers(client: Client) -> None:
    topic = client.topic()
    producer = client.producer()
    producer.produce(topic, b"a", partition=0, headers={"s": "text", "b": b"bytes", "n": None})
    producer.produce(topic, b"b", partition=0, headers=[("k", b"1"), ("k", b"2")])
    producer.flush(10)
    producer.close()
    consumer = client.consumer("headers")
    consumer.assign([TopicPartition(topic, 0, 0)])
    first, second = read(consumer, 2)
    assert first.headers() == [("s", b"text"), ("b", b"bytes"), ("n", None)]
    assert second.headers() == [("k", b"1"), ("k", b"2")]
    consumer.close()


BAD_ARGUMENTS: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"value": 5}, TypeError),
    ({"value": bytearray(b"x")}, TypeError),
    ({"key": 1.5}, TypeError),
    ({"partition": "0"}, TypeError),
    ({"headers": 5}, TypeError),
    ({"headers": {"a": 5}}, TypeError),
    ({"headers": [("k",)]}, TypeError),
    ({"headers": ("k", b"v")}, TypeError),
    ({"value": b"x" * 1_100_000}, KafkaException),
    ({"unknown": 1}, TypeError),
]


@pytest.mark.parametrize(("arguments", "error"), BAD_ARGUMENTS, ids=lambda a: str(a)[:30])
def test_bad_arguments(client: Client, arguments: dict[str, Any], error: type[Exception]) -> None:
    producer = client.producer()
    with pytest.raises(error):
        producer.produce("t", **arguments)
    with pytest.raises(TypeError):
        producer.produce(5)
    with pytest.raises(TypeError):
        producer.produce()
    with pytest.raises(TypeError):
        producer.poll("x")
    assert len(producer) == 0
    producer.close()


def test_queue_full(client: Client) -> None:
    topic = client.topic()
    producer = client.producer(**{"queue.buffering.max.messages": 5, "linger.ms": 60000})
    for _ in range(5):
        producer.produce(topic, b"x")
    with pytest.raises(BufferError, match="Local: Queue full"):
        producer.produce(topic, b"x")
    assert len(producer) == 5
    assert producer.flush(10) == 0
    producer.close()


def test_purge(client: Client) -> None:
    topic = client.topic()
    errors: list[Any] = []
    producer = client.producer(**{"linger.ms": 60000})
    producer.produce(topic, b"x", on_delivery=lambda e, m: errors.append(e.code()))
    producer.purge()
    producer.poll(1)
    assert errors == [KafkaError._PURGE_QUEUE]
    assert producer.flush(5) == 0
    producer.close()


def test_produce_batch(client: Client) -> None:
    topic = client.topic()
    producer = client.producer()
    seen: list[Any] = []
    messages: list[dict[str, Any]] = [
        {"value": b"a", "key": b"k"},
        {"value": "b", "partition": 1},
        {"value": b"c", "callback": lambda e, m: seen.append(b"own " + m.value())},
        {"value": b"x" * 1_100_000},
    ]
    assert producer.produce_batch(topic, messages, partition=0, on_delivery=lambda e, m: seen.append(m.value())) == 3
    assert producer.flush(10) == 0
    assert sorted(seen) == [b"a", b"b", b"own c"]
    assert messages[3]["_error"].code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert "_error" not in messages[0]
    with pytest.raises(TypeError):
        producer.produce_batch(topic, "no list")
    producer.close()


def test_a_closed_producer(client: Client) -> None:
    topic = client.topic()
    seen: list[Any] = []
    with client.producer() as producer:
        producer.produce(topic, b"x", on_delivery=lambda e, m: seen.append(e))
    assert seen == [None]
    assert producer.close() is True
    assert len(producer) == 0
    assert bool(producer)
    for call in (
        lambda: producer.produce(topic, b"x"),
        lambda: producer.poll(0),
        producer.flush,
        producer.purge,
        producer.list_topics,
        lambda: producer.set_sasl_credentials("a", "b"),
        producer.begin_transaction,
    ):
        with pytest.raises(RuntimeError, match="has been closed"):
            call()


def test_metadata(client: Client) -> None:
    topic = client.topic()
    producer, consumer = client.producer(), client.consumer("meta")
    for one in (producer, consumer):
        assert len(one.list_topics(topic, timeout=10).topics[topic].partitions) == client.partitions
        assert topic in one.list_topics(timeout=10).topics
        if hasattr(one, "cluster_id"):
            assert isinstance(one.cluster_id(timeout=10), str)
        one.close()


def test_error_callback_and_unreachable_cluster(client: Client) -> None:
    errors: list[Any] = []
    producer = client._producer({"bootstrap.servers": "127.0.0.1:1", "error_cb": errors.append, "log_level": 0})
    deadline = time.monotonic() + 10
    while not errors and time.monotonic() < deadline:
        producer.poll(0.1)
    assert errors[0].code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
    with pytest.raises(KafkaException):
        producer.list_topics(timeout=0.2)
    producer.close()


def test_wrong_configurations(client: Client) -> None:
    for make, error in (
        (client._producer, TypeError),
        (lambda: client._producer(5), TypeError),
        (lambda: client._producer({"no.such.property": 1}), KafkaException),
        (lambda: client._consumer({"bootstrap.servers": "x:1"}), ValueError),
        (lambda: client._consumer({}), (ValueError, KafkaException)),
    ):
        with pytest.raises(error):
            make()


# -- consumer --------------------------------------------------------------------------------------------------------


def test_subscribe_poll_commit_and_resume(client: Client) -> None:
    topic = client.filled(10)
    group = f"g-{topic}"
    events: list[Any] = []
    consumer = client.consumer(group)
    assert consumer.poll(0) is None
    consumer.subscribe(
        [topic],
        on_assign=lambda c, p: events.append(("assign", c is consumer, len(p))),
        on_revoke=lambda c, p: events.append(("revoke", c is consumer, len(p))),
    )
    messages = read(consumer, 6)
    for partition in (0, 1):
        offsets = [m.offset() for m in messages if m.partition() == partition]
        assert offsets == sorted(offsets)
    assert len(consumer.assignment()) == client.partitions
    assert isinstance(consumer.memberid(), str)
    assert consumer.consumer_group_metadata() is not None
    done = consumer.commit(message=messages[-1], asynchronous=False)
    assert done[0].offset == messages[-1].offset() + 1
    consumer.close()
    assert events == [("assign", True, client.partitions), ("revoke", True, client.partitions)]
    again = client.consumer(group)
    again.subscribe([topic])
    read(again, 4)
    again.close()


def test_manual_assignment_seek_pause_position_watermarks(client: Client) -> None:
    topic = client.filled(10)
    consumer = client.consumer(f"g-{topic}", **{"enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 2)])
    assert [m.offset() for m in read(consumer, 3)] == [2, 3, 4]
    assert consumer.position([TopicPartition(topic, 0)])[0].offset == 5
    consumer.seek(TopicPartition(topic, 0, 1))
    assert read(consumer, 1)[0].offset() == 1
    consumer.pause([TopicPartition(topic, 0)])
    assert consumer.poll(0.3) is None
    consumer.resume([TopicPartition(topic, 0)])
    read(consumer, 1)
    assert consumer.get_watermark_offsets(TopicPartition(topic, 1), timeout=10) == (0, 5)
    assert consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset == confluent_kafka.OFFSET_INVALID
    consumer.incremental_assign([TopicPartition(topic, 1, 0)])
    assert len(consumer.assignment()) == 2
    consumer.incremental_unassign([TopicPartition(topic, 0)])
    assert [p.partition for p in consumer.assignment()] == [1]
    consumer.unassign()
    assert consumer.assignment() == []
    consumer.close()


def test_consume_in_batches(client: Client) -> None:
    topic = client.filled(10)
    consumer = client.consumer(f"g-{topic}")
    consumer.assign([TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 0)])
    values: list[int] = []
    deadline = time.monotonic() + 20
    while len(values) < 10 and time.monotonic() < deadline:
        batch = consumer.consume(4, 0.5)
        assert len(batch) <= 4
        values += [int(m.value()) for m in batch]
    assert sorted(values) == list(range(10))
    assert consumer.consume(5, 0.1) == []
    assert consumer.consume(0, 0.1) == []
    for count in (-1, 2_000_000):
        with pytest.raises(ValueError, match="num_messages"):
            consumer.consume(count, 0)
    consumer.close()


def test_stored_offsets(client: Client) -> None:
    topic = client.filled(10)
    group = f"g-{topic}"
    consumer = client.consumer(group, **{"enable.auto.offset.store": False, "enable.auto.commit": True})
    with pytest.raises(KafkaException) as caught:
        consumer.commit(asynchronous=False)
    assert caught.value.args[0].code() == KafkaError._NO_OFFSET
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = read(consumer, 3)
    consumer.store_offsets(messages[1])
    assert consumer.commit(asynchronous=False)[0].offset == 2
    consumer.store_offsets(offsets=[TopicPartition(topic, 0, 3)])
    assert consumer.commit(asynchronous=False)[0].offset == 3
    assert consumer.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)[0].offset == 4
    assert consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset == 4
    with pytest.raises(ValueError, match="message"):
        consumer.store_offsets()
    consumer.close()


def test_commit_callback(client: Client) -> None:
    topic = client.filled(4)
    seen: list[Any] = []
    consumer = client.consumer(f"g-{topic}", on_commit=lambda e, p: seen.append((e, p[0].offset)))
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = read(consumer, 1)[0]
    assert consumer.commit(message) is None
    deadline = time.monotonic() + 10
    while not seen and time.monotonic() < deadline:
        consumer.poll(0.1)
    assert seen[0] == (None, message.offset() + 1)
    consumer.close()


def test_a_callback_that_assigns_itself(client: Client) -> None:
    topic = client.filled(10)
    consumer = client.consumer(f"g-{topic}", **{"group.protocol": "classic"})

    def on_assign(which: Any, partitions: list[TopicPartition]) -> None:
        for p in partitions:
            p.offset = 3
        which.assign(partitions)

    consumer.subscribe([topic], on_assign=on_assign)
    assert {m.offset() for m in read(consumer, 4)} == {3, 4}
    consumer.close()


def test_end_of_partition(client: Client) -> None:
    topic = client.filled(2)
    consumer = client.consumer(f"g-{topic}", **{"enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    codes: list[Any] = []
    deadline = time.monotonic() + 10
    while KafkaError._PARTITION_EOF not in codes and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None:
            codes.append(message.error().code() if message.error() else None)
    assert codes == [None, KafkaError._PARTITION_EOF]
    consumer.close()


def test_consumer_mistakes(client: Client) -> None:
    consumer = client.consumer("mistakes")
    with pytest.raises(TypeError):
        consumer.subscribe("t")
    with pytest.raises(TypeError):
        consumer.subscribe(["t"], on_assign=5)
    with pytest.raises(TypeError):
        consumer.poll("x")
    with pytest.raises(TypeError):
        consumer.assign("t")
    with pytest.raises(KafkaException):
        consumer.seek(TopicPartition("t", 0, 3))
    assert consumer.assignment() == []
    assert consumer.position([TopicPartition("t", 0)])[0].offset == confluent_kafka.OFFSET_INVALID
    consumer.close()


def test_a_closed_consumer(client: Client) -> None:
    with client.consumer("closed") as consumer:
        pass
    consumer.close()
    for call in (
        lambda: consumer.poll(0),
        lambda: consumer.consume(1, 0),
        consumer.assignment,
        consumer.commit,
        lambda: consumer.subscribe(["t"]),
        consumer.memberid,
        consumer.list_topics,
        lambda: consumer.position([]),
        lambda: consumer.committed([]),
        lambda: consumer.pause([]),
    ):
        with pytest.raises(RuntimeError, match="closed"):
            call()


def assigned(consumer: Any, topic: str) -> list[Any]:
    """Subscribe, wait for the first assignment, and return the list that every revocation is appended to."""
    revoked: list[Any] = []
    consumer.subscribe(
        [topic], on_revoke=lambda _consumer, partitions: revoked.append(sorted(p.partition for p in partitions))
    )
    deadline = time.monotonic() + 25
    while not consumer.assignment():
        consumer.poll(0.1)
        assert time.monotonic() < deadline, "no assignment"
    return revoked


def test_on_revoke_runs_in_the_first_poll_after_unsubscribe(client: Client) -> None:
    consumer = client.consumer("unsubscribed")
    revoked = assigned(consumer, client.filled(4))
    everything = sorted(p.partition for p in consumer.assignment())
    consumer.unsubscribe()
    assert revoked == [], "callbacks run in poll() and close() alone"
    deadline = time.monotonic() + 25
    while not revoked:
        consumer.poll(0.1)
        assert time.monotonic() < deadline, "on_revoke was not called"
    assert revoked == [everything]
    assert consumer.assignment() == []
    consumer.close()
    assert revoked == [everything]


def test_on_revoke_runs_in_close(client: Client) -> None:
    consumer = client.consumer("closed-with-callback")
    revoked = assigned(consumer, client.filled(4))
    everything = sorted(p.partition for p in consumer.assignment())
    consumer.close()
    assert revoked == [everything]


def test_incremental_assignment_by_hand(client: Client) -> None:
    topic = client.filled(4)
    consumer = client.consumer("incremental")
    consumer.incremental_assign([TopicPartition(topic, 0, 0)])
    consumer.incremental_assign([TopicPartition(topic, 1, 0)])
    assert sorted(p.partition for p in consumer.assignment()) == [0, 1]
    with pytest.raises(KafkaException) as refused:
        consumer.incremental_assign([TopicPartition(topic, 1, 0)])
    assert refused.value.args[0].code() == KafkaError._CONFLICT
    with pytest.raises(KafkaException) as unknown:
        consumer.incremental_unassign([TopicPartition(topic, 2)])
    assert unknown.value.args[0].code() == KafkaError._INVALID_ARG
    consumer.incremental_unassign([TopicPartition(topic, 1)])
    assert [p.partition for p in consumer.assignment()] == [0]
    assert {m.partition() for m in read(consumer, 2)} == {0}
    consumer.close()


@pytest.mark.parametrize("kind", ["producer", "consumer"])
def test_a_client_that_is_dropped_without_close_ends(client: Client, kind: str) -> None:
    topic = client.filled(2)

    def use() -> None:
        if kind == "producer":
            client.producer().produce(topic, b"never flushed", on_delivery=lambda _error, _message: None)
        else:
            consumer = client.consumer("dropped")
            consumer.subscribe([topic], on_assign=lambda _consumer, _partitions: None)
            consumer.poll(0.1)

    use()  # the first one may start threads that serve all clients
    gc.collect()
    before = threads()
    for _ in range(5):
        use()
    gc.collect()
    deadline = time.monotonic() + 25
    while threads() > before:
        time.sleep(0.05)
        assert time.monotonic() < deadline, f"{threads()} threads, {before} before"


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))
