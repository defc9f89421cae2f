"""One configuration: the client and the shim use the same properties, merged for the cluster in use."""

from __future__ import annotations

import time
from typing import Any

import pytest
from confluent_kafka import KafkaException
from cutover_shim import Consumer, CutoverFileError, Producer
from cutover_shim.config import HEARTBEAT_MS, for_cluster, group_of, joining
from cutover_shim.cutover_file import Cluster, parse

from .conftest import Switch, until
from .test_consumer_switch import FAST, fill


class Configured(Switch):
    """A cutover file whose clusters have more properties than their address."""

    source_lines = target_lines = ""

    def text(self, producers: str, consumers: str, *, target: str | None = None) -> str:
        body = super().text(producers, consumers, target=target)
        head, rest = body.split("[clusters.target]\n")
        between, routes = rest.split("[routes.r]")
        return f"{head}{self.source_lines}\n[clusters.target]\n{between}{self.target_lines}\n[routes.r]{routes}"


@pytest.fixture
def configured(switch: Switch) -> Configured:
    made = Configured(switch.path.parent, switch.source, switch.target, switch.topics)
    made.groups, made.generation = switch.groups, switch.generation
    return made


def cluster(**properties: Any) -> Cluster:
    return Cluster("target", {"bootstrap.servers": "t:1", **properties})


def token(_config: str) -> tuple[str, float]:
    raise AssertionError("nobody needs a token here")


@pytest.mark.parametrize(
    ("given", "beats"),
    [({}, HEARTBEAT_MS), ({"heartbeat.interval.ms": 3000}, 3000), ({"group.protocol": "Consumer"}, None)],
)
def test_a_consumer_that_switches_beats_often_unless_that_is_set(given: dict[str, Any], beats: int | None) -> None:
    conf = joining({"group.id": "g", **given})
    assert conf.get("heartbeat.interval.ms") == beats
    assert conf.items() >= given.items()


@pytest.mark.parametrize(
    "there",
    [
        {"security.protocol": "PLAINTEXT"},
        {"security.protocol": "sasl_ssl", "sasl.mechanisms": "SCRAM-SHA-512"},
        {"sasl.mechanism": "PLAIN"},
        {"sasl.mechanisms": "GSSAPI"},
    ],
)
def test_a_token_callback_is_left_out_for_another_login(there: dict[str, str]) -> None:
    app = {
        "bootstrap.servers": "s:1",
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "oauth_cb": token,
        "client.id": "a",
    }
    merged = for_cluster(app, cluster(**there))
    assert not {"oauth_cb", "sasl.oauthbearer.method"} & set(merged)
    assert merged["client.id"] == "a"
    kept = for_cluster(app, cluster(**{"ssl.ca.location": "/x"}))
    assert kept["oauth_cb"] is token
    assert kept["sasl.oauthbearer.method"] == "oidc"


def test_clients_with_a_token_callback_reach_a_target_without_one(configured: Configured, topic: str) -> None:
    configured.source_lines = '"security.protocol" = "SASL_PLAINTEXT"\n"sasl.mechanisms" = "OAUTHBEARER"'
    configured.target_lines = '"security.protocol" = "PLAINTEXT"'
    configured.write(producers="target", consumers="target")
    delivered: list[Any] = []
    producer = Producer(configured.conf(oauth_cb=token))
    producer.produce(topic, b"x", on_delivery=lambda error, _: delivered.append(error))
    until(lambda: delivered, lambda: producer.poll(0.05))
    assert delivered == [None]
    producer.close()
    conf = {"group.id": f"g-{topic}", "auto.offset.reset": "earliest", "oauth_cb": token, **FAST}
    consumer = Consumer(configured.conf(**conf))
    consumer.subscribe([topic])
    until(lambda: (m := consumer.poll(0.1)) is not None and m.error() is None)
    consumer.close()


def test_an_alias_of_the_application_does_not_win_over_the_cluster() -> None:
    merged = for_cluster({"acks": 0, "request.required.acks": 1, "sasl.mechanism": "PLAIN"}, cluster(acks="all"))
    assert list(merged)[-1] == "acks"
    assert merged["acks"] == "all"
    assert for_cluster({"default.topic.config": {"acks": 1}}, cluster(acks="all"))["acks"] == "all"
    assert "default.topic.config" not in for_cluster({"default.topic.config": {"acks": 1}}, cluster())


def test_a_classic_groups_properties_do_not_hinder_the_new_protocol() -> None:
    classic = {"session.timeout.ms": 6000, "partition.assignment.strategy": "range", "group.protocol": "classic"}
    merged = for_cluster(classic, cluster(**{"group.protocol": "consumer"}))
    assert set(merged) == {"bootstrap.servers", "group.protocol"}
    assert set(for_cluster(classic, cluster())) == {"bootstrap.servers", *classic}


def test_automatic_commit_that_the_file_turns_off_is_off_for_the_shim_too(configured: Configured, topic: str) -> None:
    configured.source_lines = configured.target_lines = '"enable.auto.commit" = false'
    configured.write()
    fill(configured.source, topic, range(10))
    conf = {"group.id": f"g-{topic}", "auto.offset.reset": "earliest", **FAST}
    consumer = Consumer(configured.conf(**conf))
    consumer.subscribe([topic])
    got: list[Any] = []

    def step() -> None:
        if (message := consumer.poll(0.1)) is not None and message.error() is None:
            got.append(message)

    until(lambda: len(got) == 10, step)
    configured.until_attested(configured.write(consumers="hold"), step)
    assert configured.read_status()["routes"]["r"]["committed"] == {}
    consumer.close()


def test_held_messages_are_limited_by_the_file_too(configured: Configured, topic: str) -> None:
    limits = '"queue.buffering.max.messages" = 5\n"message.timeout.ms" = 500'
    configured.source_lines = configured.target_lines = limits
    configured.write(producers="hold")
    producer = Producer(configured.conf(**{"queue.buffering.max.messages": 1000, "delivery.timeout.ms": 60_000}))
    errors: list[Any] = []
    for _ in range(5):
        producer.produce(topic, b"x", on_delivery=lambda error, _: errors.append(error and error.name()))
    with pytest.raises(BufferError):
        producer.produce(topic, b"x")
    until(lambda: len(errors) == 5, lambda: producer.poll(0.05))
    assert set(errors) == {"_MSG_TIMED_OUT"}
    producer.close()


def test_a_group_that_has_another_name_on_the_target_is_refused(configured: Configured, topic: str) -> None:
    configured.target_lines = '"group.id" = "zz"'
    configured.write()
    with pytest.raises(CutoverFileError, match=r"group\.id.* differs"):
        Consumer(configured.conf(**{"group.id": f"g-{topic}"}))
    configured.source_lines = '"group.id" = "zz"'
    configured.groups = ("zz",)
    configured.write()
    consumer = Consumer(configured.conf(**{"group.id": f"g-{topic}", **FAST}))
    consumer.subscribe([topic])
    configured.until_attested(configured.write(consumers="hold"), lambda: consumer.poll(0.05))
    assert configured.read_status()["group"] == "zz"
    configured.source_lines = configured.target_lines = '"group.id" = "yy"'
    configured.write(consumers="target")
    until(lambda: "from 'zz' to 'yy'" in str(configured.read_status()["rejected"]), lambda: consumer.poll(0.05))
    consumer.close()


def test_a_producer_is_transactional_on_both_clusters_or_on_none(configured: Configured, topic: str) -> None:
    configured.target_lines = '"transactional.id" = "t"'
    configured.write()
    with pytest.raises(KafkaException, match="set for the target alone"):
        Producer(configured.conf())


def test_the_group_of_a_plain_client_is_its_own() -> None:
    assert group_of({"group.id": "a"}, None) == "a"
    assert group_of({}, None) is None
    with pytest.raises(CutoverFileError, match="differs"):
        parse(
            'generation = 1\n[clusters.source]\n"bootstrap.servers"="a"\n"group.id"="x"\n'
            '[clusters.target]\n"bootstrap.servers"="b"\n'
            '[routes.r]\ntopics=["t"]\ngroups=[]\nproducers="source"\nconsumers="source"\n'
        )


def test_held_messages_have_the_limits_of_the_cluster_used_last(configured: Configured, topic: str) -> None:
    configured.target_lines = '"queue.buffering.max.messages" = 3'
    configured.write(producers="target")
    producer = Producer(configured.conf())
    producer.produce(topic, b"x")
    assert producer.flush(10) == 0
    configured.until_attested(configured.write(producers="hold"), lambda: producer.poll(0.02))
    for _ in range(3):
        producer.produce(topic, b"x")
    with pytest.raises(BufferError):
        producer.produce(topic, b"x")
    configured.until_attested(configured.write(producers="source"), lambda: time.sleep(0.02))
    for _ in range(10):
        producer.produce(topic, b"x")
    assert producer.flush(10) == 0
    producer.close()
