"""The control topic on real brokers: what is in force, what is refused, and that its failure stops no application."""

from __future__ import annotations

import itertools
import json
import random
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer as RawConsumer
from confluent_kafka import Producer as RawProducer
from confluent_kafka import TopicPartition
from cutover_harness.admin import Admin
from cutover_harness.channels.lease_topic import LeaseTopic
from cutover_harness.channels.leases import Holder, Lease
from cutover_harness.channels.names import TopicName
from cutover_harness.channels.topic import TopicWriter
from cutover_harness.conductor.leasing import take
from cutover_harness.errors import LeaseLostError, UsageError
from cutover_harness.testbed import ProcessTestbed
from cutover_shim import Consumer, CutoverFileError, Producer, signature
from cutover_shim.kafka_channel import KafkaChannel

from tests.waiting import wait_until

COMPACTED = {"cleanup.policy": "compact"}
# A number by chance: another test module may import this one under another name, with numbers of its own.
numbers = itertools.count(random.randrange(1, 10**9))  # noqa: S311 - no secret


@dataclass
class Fleet:
    """A control topic, a topic and a group of their own on both clusters, and a key."""

    testbed: ProcessTestbed
    folder: Path
    key: str = field(default_factory=lambda: secrets.token_hex(32))
    number: int = field(default_factory=lambda: next(numbers))
    generation: int = 0

    def __post_init__(self) -> None:
        self.topic, self.control, self.group = (f"ctl{self.number}-{n}" for n in ("orders", "control", "g"))
        self.clusters = {"source": self.testbed.source.client_config(), "target": self.testbed.target.client_config()}
        for conf in self.clusters.values():
            Admin(conf).create_topics({self.topic: 2})
            Admin(conf).create_topics({self.control: 1}, COMPACTED)
        self.file = self.folder / "cutover.toml"
        (self.folder / "key").write_text(self.key + "\n")

    def document(self, generation: int, producers: str = "source", consumers: str = "source", extra: str = "") -> bytes:
        clusters = "".join(
            f"[clusters.{name}]\n" + "".join(f"{json.dumps(k)} = {json.dumps(v)}\n" for k, v in conf.items())
            for name, conf in self.clusters.items()
        )
        return (
            f"generation = {generation}\n{extra}{clusters}[routes.r]\ntopics = [{json.dumps(self.topic)}]\n"
            f'groups = [{json.dumps(self.group)}]\nproducers = "{producers}"\nconsumers = "{consumers}"\n'
        ).encode()

    def publish(self, content: bytes, *clusters: str, key: bytes = b"cutover") -> None:
        for cluster in clusters or ("source", "target"):
            producer = RawProducer({**self.clusters[cluster]})
            producer.produce(self.control, content, key)
            assert producer.flush(30) == 0

    def move(self, producers: str, consumers: str = "source", clusters: tuple[str, ...] = ()) -> int:
        self.generation += 1
        body = self.document(self.generation, producers, consumers)
        self.publish(signature.sign(body, self.key.encode()), *clusters)
        return self.generation

    def conf(self, instance: str, **more: Any) -> dict[str, Any]:
        return {
            **self.clusters["source"],
            "cutover.channel": f"kafka:{self.control}",
            "cutover.key": f"${{file:{self.folder / 'key'}}}",
            "cutover.status": str(self.folder / "status"),
            "cutover.instance": instance,
            "log_level": 0,
            **more,
        }

    def status(self, instance: str) -> dict[str, Any]:
        """Return the status, an empty one if none has been written yet."""
        file = self.folder / "status" / f"{instance}.json"
        found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def attested(self, instance: str, generation: int, state: str) -> Callable[[], bool]:
        def look() -> bool:
            try:
                found = self.status(instance)["routes"]["r"]
            except KeyError:
                return False
            return bool(found["generation"] >= generation and found["state"] == state)

        return look

    def read(self, cluster: str) -> list[bytes]:
        """Return the values of the topic on one cluster, sorted: it has two partitions."""
        ends = Admin(self.clusters[cluster]).end_offsets([self.topic])
        consumer = RawConsumer({**self.clusters[cluster], "group.id": "reader", "enable.auto.commit": False})
        consumer.assign([TopicPartition(self.topic, partition, 0) for _, partition in ends])
        out: list[bytes] = []
        while len(out) < sum(ends.values()):
            message = consumer.poll(30)
            assert message is not None
            assert message.error() is None
            out.append(message.value() or b"")
        consumer.close()
        return sorted(out)


@pytest.fixture
def fleet(testbed: ProcessTestbed, tmp_path: Path) -> Fleet:
    return Fleet(testbed, tmp_path)


@pytest.fixture
def producer(fleet: Fleet) -> Iterator[Producer]:
    made = Producer(fleet.conf("p"))
    yield made
    made.close()


def refused(fleet: Fleet, cluster: str = "source", instance: str = "p") -> str:
    states = {state["channel"]: state for state in fleet.status(instance).get("channels", [])}
    return str((states.get(f"kafka:{fleet.control}@{cluster}") or {}).get("refused") or "")


def test_one_property_is_all_that_an_application_needs(fleet: Fleet) -> None:
    given: list[Any] = []
    producer = Producer(fleet.conf("p"))
    consumer = Consumer(fleet.conf("c", **{"group.id": fleet.group, "auto.offset.reset": "earliest"}))
    consumer.subscribe([fleet.topic])
    try:
        # Nothing has been published: both are on their own address.
        producer.produce(fleet.topic, b"before", on_delivery=lambda error, _m: given.append(error))
        assert producer.flush(30) == 0
        first = wait_until(lambda: consumer.poll(0.2))
        assert (first.value(), consumer.cutover_cluster(), producer.cutover_cluster()) == (
            b"before",
            "source",
            "source",
        )

        assert fleet.move("source") == 1
        producer.produce(fleet.topic, b"named")
        wait_until(fleet.attested("p", 1, "source"))
        held = fleet.move("hold", "hold")
        wait_until(fleet.attested("p", held, "held"))
        wait_until(lambda: consumer.poll(0.1) is None and fleet.attested("c", held, "held")())
        producer.produce(fleet.topic, b"held")
        moved = fleet.move("target", "target")
        wait_until(fleet.attested("p", moved, "target"))
        assert wait_until(lambda: consumer.poll(0.2)).value() == b"held"
        assert consumer.cutover_cluster() == producer.cutover_cluster(fleet.topic) == "target"
        assert producer.flush(30) == 0
    finally:
        producer.close()
        consumer.close()
    assert given == [None]
    assert (fleet.read("source"), fleet.read("target")) == ([b"before", b"named"], [b"held"])


def test_what_is_not_signed_with_the_key_is_refused_and_named(fleet: Fleet, producer: Producer) -> None:
    fleet.move("source")
    producer.produce(fleet.topic, b"x")
    wait_until(fleet.attested("p", 1, "source"))
    target = fleet.document(9, "target")
    signed = signature.sign(target, fleet.key.encode())
    replayed = signature.sign(fleet.document(0, "target"), fleet.key.encode())
    for content, why in (
        (target, "not signed"),
        (signed.replace(b'"hold"', b'"x"').replace(b"generation = 9", b"generation = 8"), "does not fit"),
        (signature.sign(target, b"another key, long enough"), "does not fit"),
        (replayed, "generation 0 after 1"),
        (signed[: len(signed) // 2], "does not fit"),
        (b"\x00\xff" * 100, "not signed"),
        (b"", "empty"),
        (b"x" * 900_000, "not signed"),
    ):
        fleet.publish(content, "source")
        wait_until(lambda w=why: w in refused(fleet))  # type: ignore[misc]
        assert producer.cutover_cluster(fleet.topic) == "source"
        assert fleet.status("p")["seen_generation"] == 1
    # The control: the same document, as it was signed, is followed.
    fleet.generation = 9
    fleet.publish(signed, "source")
    wait_until(fleet.attested("p", 9, "target"))
    assert refused(fleet) == ""


def test_a_document_that_is_not_signed_is_followed_where_that_is_asked_for(fleet: Fleet) -> None:
    conf = fleet.conf("p", **{"cutover.unsigned": "true"})
    del conf["cutover.key"]
    producer = Producer(conf)
    try:
        producer.produce(fleet.topic, b"x")
        fleet.publish(fleet.document(3, "target"))
        wait_until(fleet.attested("p", 3, "target"))
    finally:
        producer.close()


def lease_topic(fleet: Fleet, key: str | None = None) -> LeaseTopic:
    keys = [(fleet.key if key is None else key).encode()]
    return LeaseTopic(TopicName(fleet.control, "source"), fleet.clusters["source"], keys=keys)


def operator(name: str) -> Holder:
    return Holder(name, 1, "run", "shop", "/home/run", f"machine of {name}", 1)


def test_a_lease_on_the_topic_has_one_holder_and_clients_pass_over_it(fleet: Fleet, producer: Producer) -> None:
    """Taken, renewed, lost to the first of two that take over together, and noticed by who was suspended."""
    first, clock = lease_topic(fleet), [1000.0]
    hold = take([first], operator("ann"), 1, take_over=False, clock=lambda: clock[0]).hold
    for _ in range(3):
        hold.renew()
    started = Producer(fleet.conf("late"))  # the topic has leases, and no document yet
    fleet.move("target")
    for client, name in ((producer, "p"), (started, "late")):
        client.produce(fleet.topic, b"x")
        wait_until(fleet.attested(name, 1, "target"))
    started.close()
    with pytest.raises(UsageError, match="holds the lease"):
        take([lease_topic(fleet)], operator("bob"), 1, take_over=False, clock=lambda: clock[0])
    writer = TopicWriter(TopicName(fleet.control, "source"), fleet.clusters["source"], keys=[fleet.key.encode()])
    assert signature.signed((writer.read() or "").encode())[1] == fleet.document(1, "target")
    writer.close()

    clock[0] += 100
    both, barrier = [lease_topic(fleet) for _ in range(2)], threading.Barrier(2)
    results: list[str] = []

    def take_over(store: LeaseTopic, name: str) -> None:
        current = store.read()
        assert current is not None
        barrier.wait(30)  # both have read the same lease, and have not written yet
        found = store.offer(Lease(name, 1, operator(name), 1100, 1101, 1, current.version))
        assert found is not None
        results.append(found.id)

    threads = [threading.Thread(target=take_over, args=(s, n)) for s, n in zip(both, ("bob", "eve"), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 2
    assert len(set(results)) == 1, "both know who has it"
    fresh = lease_topic(fleet)
    found = fresh.read()
    assert found is not None
    assert found.id == results[0]
    with pytest.raises(LeaseLostError, match="this run was taken over"):
        hold.check()
    hold.end()
    assert fresh.read() == found, "the one that was taken over ends nothing"
    forged = lease_topic(fleet, "another key, long enough")
    forged.offer(Lease("forged", 1, operator("mallory"), 1, 1e9, 60))
    assert fresh.read() == found, "a lease that the key does not verify is none"
    for each in (first, fresh, forged, *both):
        each.close()


def test_records_with_another_key_are_no_documents(fleet: Fleet, producer: Producer) -> None:
    fleet.publish(signature.sign(fleet.document(5, "target"), fleet.key.encode()), key=b"other")
    fleet.move("source")
    producer.produce(fleet.topic, b"x")
    wait_until(fleet.attested("p", 1, "source"))
    assert (refused(fleet), fleet.status("p")["seen_generation"]) == ("", 1)


def test_a_client_that_starts_takes_the_highest_generation_of_file_and_both_topics(fleet: Fleet) -> None:
    key = fleet.key.encode()
    fleet.file.write_bytes(signature.sign(fleet.document(2, "source"), key))
    fleet.publish(signature.sign(fleet.document(1, "source"), key), "source")
    fleet.publish(signature.sign(fleet.document(7, "target"), key), "target")
    producer = Producer(fleet.conf("p", **{"cutover.file": str(fleet.file)}))
    try:
        assert producer.cutover_cluster(fleet.topic) == "target"
        producer.produce(fleet.topic, b"x")
        assert producer.flush(30) == 0
    finally:
        producer.close()
    assert (fleet.read("source"), fleet.read("target")) == ([], [b"x"])
    assert fleet.status("p")["seen"]["channel"] == f"kafka:{fleet.control}@target"


def test_one_generation_with_two_contents_is_refused_and_both_are_named(fleet: Fleet) -> None:
    key = fleet.key.encode()
    fleet.file.write_bytes(signature.sign(fleet.document(4, "source"), key))
    fleet.publish(signature.sign(fleet.document(4, "target"), key), "source")
    producer = Producer(fleet.conf("p", **{"cutover.file": str(fleet.file)}))
    try:
        producer.produce(fleet.topic, b"x")
        wait_until(lambda: "other content than that of file:" in refused(fleet))
        assert producer.cutover_cluster(fleet.topic) == "source"
    finally:
        producer.close()


def test_without_a_file_what_is_missing_is_an_error_at_the_start(fleet: Fleet) -> None:
    with pytest.raises(CutoverFileError, match="the topic does not exist"):
        Producer(fleet.conf("p", **{"cutover.channel": f"kafka:{fleet.control}-none"}))
    with pytest.raises(CutoverFileError, match=r"cutover\.channel: kafka:.* needs cutover\.key"):
        Producer({k: v for k, v in fleet.conf("p").items() if k != "cutover.key"})
    with pytest.raises(CutoverFileError, match="it has 2 partitions, and a control topic has one"):
        Producer(fleet.conf("p", **{"cutover.channel": f"kafka:{fleet.topic}"}))
    fleet.publish(fleet.document(1), "source")
    with pytest.raises(CutoverFileError, match="not signed"):
        Producer(fleet.conf("p"))


def test_with_a_file_a_topic_that_is_missing_is_a_line_in_the_status(fleet: Fleet) -> None:
    fleet.file.write_bytes(signature.sign(fleet.document(1), fleet.key.encode()))
    missing = f"kafka:{fleet.control}-none"
    producer = Producer(fleet.conf("p", **{"cutover.file": str(fleet.file), "cutover.channel": missing}))
    try:
        producer.produce(fleet.topic, b"x")
        assert producer.flush(30) == 0
        wait_until(lambda: [s for s in fleet.status("p").get("channels", []) if "does not exist" in str(s["error"])])
    finally:
        producer.close()


def test_an_application_follows_the_target_when_source_and_file_are_gone(fleet: Fleet) -> None:
    key = fleet.key.encode()
    fleet.file.write_bytes(signature.sign(fleet.document(1), key))
    producer = Producer(fleet.conf("p", **{"cutover.file": str(fleet.file)}))
    failed: list[str] = []
    try:
        producer.produce(fleet.topic, b"x")
        assert producer.flush(30) == 0
        fleet.generation = 1
        fleet.move("hold")
        wait_until(fleet.attested("p", 2, "held"))
        fleet.testbed.source.kill()
        fleet.file.unlink()
        producer.produce(fleet.topic, b"y", on_delivery=lambda e, _m: failed.append(e.str()) if e else None)
        fleet.move("target", clusters=("target",))
        wait_until(fleet.attested("p", 3, "target"))
        assert (producer.flush(60), failed) == (0, [])
        wait_until(
            lambda: [
                s for s in fleet.status("p").get("channels", []) if s["error"] and s["channel"].endswith("@source")
            ]
        )
        fleet.testbed.source.restart()
        wait_until(lambda: not [s for s in fleet.status("p").get("channels", []) if s["error"] and "@" in s["channel"]])
        fleet.move("target", "target", clusters=("source",))  # and the source's topic is followed again
        wait_until(lambda: fleet.status("p")["seen"]["generation"] == 4)
    finally:
        producer.close()
        if not fleet.testbed.source.running:
            fleet.testbed.source.restart()
    assert fleet.read("target") == [b"y"]


def test_a_topic_that_is_read_again_is_no_replay(fleet: Fleet, producer: Producer) -> None:
    for _ in range(3):
        fleet.move("source")
    producer.produce(fleet.topic, b"x")
    wait_until(fleet.attested("p", 3, "source"))
    admin = Admin(fleet.clusters["source"])
    admin.delete_topics([fleet.control])
    wait_until(lambda: [s for s in fleet.status("p").get("channels", []) if "does not exist" in str(s["error"])])
    admin.create_topics({fleet.control: 1}, COMPACTED)
    key = fleet.key.encode()
    for generation in (1, 2, 3):
        fleet.publish(signature.sign(fleet.document(generation), key), "source")
    wait_until(lambda: all(s["error"] is None for s in fleet.status("p").get("channels", [])))
    wait_until(lambda: refused(fleet) == "")
    fleet.move("target")
    wait_until(fleet.attested("p", 4, "target"))


def test_a_key_is_replaced_while_the_application_runs(fleet: Fleet, producer: Producer) -> None:
    fleet.move("source")
    producer.produce(fleet.topic, b"x")
    wait_until(fleet.attested("p", 1, "source"))
    new = secrets.token_hex(32)
    fleet.publish(signature.sign(fleet.document(2, "hold"), new.encode()))
    wait_until(lambda: "another key" in refused(fleet))
    (fleet.folder / "key").write_text(new)  # as a mounted secret that is updated
    fleet.publish(signature.sign(fleet.document(3, "hold"), new.encode()))
    wait_until(fleet.attested("p", 3, "held"))
    fleet.publish(signature.sign(fleet.document(4, "source"), fleet.key.encode()))
    wait_until(lambda: "another key" in refused(fleet))
    fleet.publish(signature.sign(fleet.document(5, "source"), new.encode()))
    wait_until(fleet.attested("p", 5, "source"))


def test_two_keys_are_accepted_at_once(fleet: Fleet) -> None:
    second = secrets.token_hex(32)
    (fleet.folder / "second").write_text(second)
    both = f"${{file:{fleet.folder / 'key'}}} ${{file:{fleet.folder / 'second'}}}"
    producer = Producer(fleet.conf("p", **{"cutover.key": both}))
    try:
        producer.produce(fleet.topic, b"x")
        for generation, key in ((1, fleet.key), (2, second)):
            fleet.publish(signature.sign(fleet.document(generation), key.encode()))
            wait_until(fleet.attested("p", generation, "source"))
    finally:
        producer.close()


def test_an_application_starts_and_follows_while_somebody_writes_other_records_all_the_time(fleet: Fleet) -> None:
    fleet.move("source")
    stop = threading.Event()

    def write() -> None:
        writer = RawProducer({**fleet.clusters["source"], "linger.ms": 0})
        while not stop.wait(0.01):
            writer.produce(fleet.control, b"x", b"other")
            writer.poll(0)
        assert writer.flush(30) == 0

    thread = threading.Thread(target=write)
    thread.start()
    try:
        producer = Producer(fleet.conf("p"))  # without the end of the topic it would wait for 30 s, and fail
        try:
            producer.produce(fleet.topic, b"x")
            fleet.move("target")
            wait_until(fleet.attested("p", 2, "target"))
        finally:
            producer.close()
    finally:
        stop.set()
        thread.join()


def test_a_transaction_that_is_left_open_hides_no_document(fleet: Fleet, producer: Producer) -> None:
    fleet.move("source")
    producer.produce(fleet.topic, b"x")
    wait_until(fleet.attested("p", 1, "source"))
    writer = RawProducer({**fleet.clusters["source"], "transactional.id": f"open-{fleet.number}"})
    writer.init_transactions(30)
    writer.begin_transaction()
    writer.produce(fleet.control, b"forged", b"cutover")
    assert writer.flush(30) == 0
    fleet.move("target", clusters=("source",))
    wait_until(fleet.attested("p", 2, "target"))
    held = TopicWriter(TopicName(fleet.control, "source"), fleet.clusters["source"], keys=[fleet.key.encode()])
    try:
        assert signature.signed((held.read() or "").encode())[1] == fleet.document(2, "target")
    finally:
        held.close()
        writer.abort_transaction(30)


def test_a_flood_of_large_documents_is_read_in_parts(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0
    deliver = KafkaChannel._deliver

    def measured(channel: KafkaChannel, consumer: Any) -> None:
        nonlocal most
        most = max(most, sum(map(len, channel._history or ())))
        deliver(channel, consumer)

    monkeypatch.setattr(KafkaChannel, "_deliver", measured)
    writer = RawProducer({**fleet.clusters["source"], "message.max.bytes": 2_000_000})
    for _ in range(40):
        writer.produce(fleet.control, secrets.token_bytes(900_000), b"cutover")
    assert writer.flush(60) == 0
    fleet.move("target")
    producer = Producer(fleet.conf("p"))
    try:
        assert producer.cutover_cluster(fleet.topic) == "target"
    finally:
        producer.close()
    assert 4_000_000 < most < 6_000_000
