"""Topics of several routes on one producer, groups and topics across routes, admin and serializing clients."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.serialization import StringDeserializer, StringSerializer
from cutover_shim import AdminClient, Consumer, DeserializingConsumer, Producer, SerializingProducer, ShareConsumer

from .conftest import MockCluster, Switch, until
from .test_consumer_switch import FAST, fill


class TwoRoutes(Switch):
    """A cutover file with the routes r and s, of the topics A and B."""

    def text(self, producers: str, consumers: str, *, target: str | None = None) -> str:
        a, b = self.topics
        first, _, second = producers.partition("+")
        body = super().text(first, consumers, target=target).replace(json.dumps([a, b]), json.dumps([a]))
        return body + (
            f'[routes.s]\ntopics = ["{b}"]\ngroups = ["s-{b}"]\n'
            f'producers = "{second or first}"\nconsumers = "{consumers}"\n'
        )


@pytest.fixture
def two(tmp_path: Path, clusters: tuple[MockCluster, MockCluster], topic: str) -> TwoRoutes:
    other = topic + "-b"
    for cluster in clusters:
        cluster.create(other)
        cluster.create(topic + "-free")
    made = TwoRoutes(tmp_path, *clusters, (topic, other))
    made.groups = (f"g-{topic}",)
    made.write()
    return made


def count(cluster: MockCluster, topic: str) -> int:
    return sum(map(len, cluster.read(topic).values()))


def test_one_producer_sends_each_topic_to_its_routes_cluster(two: TwoRoutes) -> None:
    a, b = two.topics
    free = a + "-free"
    producer = Producer(two.conf())
    seen: list[tuple[str, str | None]] = []

    def report(error: Any, message: Any) -> None:
        assert error is None
        seen.append((message.topic(), producer.cutover_cluster(message.topic())))

    def send() -> None:
        for topic in (a, b, free):
            producer.produce(topic, b"x", on_delivery=report)

    send()
    until(lambda: len(seen) == 3, lambda: producer.poll(0.05))
    two.until_attested(two.write(producers="target+source"), lambda: producer.poll(0.02))
    send()
    assert producer.flush(10) == 0
    assert producer.cutover_cluster(a) == "target"
    assert producer.cutover_cluster(b) == producer.cutover_cluster(free) == "source"
    assert producer.cutover_cluster() is None
    status = two.read_status()
    assert set(status["routes"]) == {"r", "s"}
    assert status["unrouted"] == 1
    two.write(producers="hold+target")
    until(lambda: two.read_status()["routes"]["s"]["state"] == "target", lambda: producer.poll(0.02))
    until(lambda: two.read_status()["routes"]["r"]["state"] == "held", lambda: producer.poll(0.02))
    send()
    assert producer.flush(0.3) == 1
    two.write(producers="source+source")
    assert producer.flush(10) == 0
    producer.close()
    assert [count(c, t) for c in two.clusters.values() for t in (a, b, free)] == [2, 2, 3, 1, 1, 0]
    assert len(seen) == 9


def test_a_route_that_is_added_later_moves_a_running_producer(two: TwoRoutes) -> None:
    _, b = two.topics
    whole = two.text
    two.text = lambda *args, **more: whole(*args, **more)[: whole(*args, **more).index("[routes.s]")]  # type: ignore[method-assign]
    two.write()
    producer = Producer(two.conf())
    producer.produce(b, b"x")
    assert producer.flush(10) == 0
    two.text = whole  # type: ignore[method-assign]
    generation = two.write(producers="source+target")
    until(lambda: two.attested(generation, route="s"), lambda: producer.poll(0.02))
    producer.produce(b, b"x")
    assert producer.flush(10) == 0
    producer.close()
    assert (count(two.source, b), count(two.target, b)) == (1, 1)


def test_a_consumer_across_routes_is_refused_by_their_names(two: TwoRoutes) -> None:
    a, b = two.topics
    consumer = Consumer(two.conf(**{"group.id": f"g-{a}"}))
    with pytest.raises(KafkaException, match=f"in the route r, but .*{b}.* is in the route s"):
        consumer.subscribe([a, b])
    consumer.subscribe([a, a + "-free"])
    consumer.close()
    loose = Consumer(two.conf(**{"group.id": "nobody"}))
    with pytest.raises(KafkaException, match="in no route"):
        loose.subscribe([a, b])
    loose.subscribe([a])
    until(lambda: two.status_or({}).get("unrouted") == 1)
    loose.close()


def test_an_unrouted_topic_stays_on_source_and_is_counted(switch: Switch, topic: str) -> None:
    switch.source.create(topic + "-free")
    switch.write(producers="target")
    producer = Producer(switch.conf())
    producer.produce(topic + "-free", b"x")
    assert producer.flush(10) == 0
    assert producer.cutover_cluster(topic + "-free") == "source"
    until(lambda: switch.read_status()["unrouted"] == 1)
    producer.close()


def test_admin_client_follows_its_route(switch: Switch) -> None:
    admin = AdminClient({"bootstrap.servers": "x:1", "cutover.file": str(switch.path), "log_level": 0})
    assert isinstance(admin, confluent_kafka.admin.AdminClient)

    def port() -> str:
        broker = next(iter(admin.list_topics(timeout=5).brokers.values()))
        return f"{broker.host}:{broker.port}"

    assert port() == switch.source.bootstrap
    switch.write(producers="target")
    until(lambda: port() == switch.target.bootstrap)
    assert admin.cutover_cluster() == "target"
    switch.write(producers="hold")
    assert port() == switch.target.bootstrap


def test_a_request_that_waits_for_the_cluster_that_was_left_is_not_cut_off(switch: Switch) -> None:
    silent = MockCluster()
    switch.clusters["source"] = switch.source = silent
    switch.write()
    admin = AdminClient(switch.conf())
    silent.close()
    waiting = admin.describe_cluster(request_timeout=2)
    switch.write(producers="target")
    until(lambda: admin.list_topics(timeout=1) if admin.cutover_cluster() == "target" else clusterless(admin))
    error: Any = waiting.exception(20)
    assert error.args[0].code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT)


def clusterless(admin: Any) -> bool:
    """Ask whatever cluster is in use, so that the client follows the file; there is no answer from the source."""
    with contextlib.suppress(KafkaException):
        admin.list_topics(timeout=0.1)
    return False


def test_admin_client_has_every_method() -> None:
    from confluent_kafka import cimpl

    public = {n for c in (confluent_kafka.admin.AdminClient, cimpl._AdminClientImpl) for n in dir(c) if n[0] != "_"}
    from cutover_shim.admin import RawAdminClient

    public |= {n for n in dir(RawAdminClient) if n[0] != "_"}
    assert public <= set(vars(AdminClient))


def test_serializing_clients_are_switched(switch: Switch, topic: str) -> None:
    fill(switch.source, topic, range(2))
    producer = SerializingProducer(
        switch.conf("p", **{"key.serializer": StringSerializer(), "value.serializer": StringSerializer()})
    )
    assert isinstance(producer, confluent_kafka.SerializingProducer)
    assert isinstance(producer, Producer)
    assert SerializingProducer[str, str]  # type: ignore[misc]
    consumer = DeserializingConsumer(
        switch.conf(
            "c",
            **{
                "group.id": f"g-{topic}",
                "auto.offset.reset": "earliest",
                "value.deserializer": StringDeserializer(),
                **FAST,
            },
        )
    )
    seen: list[Any] = []

    def step() -> None:
        message = consumer.poll(0.1)
        if message is not None:
            seen.append(message.value())

    consumer.subscribe([topic])
    until(lambda: len(seen) == 2, step)
    generation = switch.write(producers="target", consumers="target")
    switch.until_attested(generation, lambda: producer.poll(0.02), instance="p")
    producer.produce(topic, key="k", value="é")
    assert producer.flush(10) == 0
    until(lambda: len(seen) == 3, step)
    assert seen[2] == "é"
    assert consumer.cutover_cluster() == "target"
    producer.close()
    consumer.close()
    with pytest.raises(RuntimeError, match="Producer has been closed"):
        producer.produce(topic, key="k", value="v")


@pytest.mark.skipif(ShareConsumer is None, reason="this confluent_kafka has none")
def test_share_consumers_stay_and_report_it(switch: Switch, topic: str) -> None:
    consumer = ShareConsumer(switch.conf(**{"group.id": f"g-{topic}"}))
    assert isinstance(consumer, confluent_kafka.ShareConsumer)
    generation = switch.write(consumers="target")
    until(lambda: switch.status_or({"routes": {}})["routes"].get("r", {}).get("generation") == generation)
    assert "stays on the source" in switch.read_status()["routes"]["r"]["error"]
    assert not switch.attested(generation)
    consumer.close()
    assert switch.read_status()["closed"]
