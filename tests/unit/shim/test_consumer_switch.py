"""A consumer is switched: it commits what it was given, leaves, and resumes at its group's offsets on the target."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka import Producer as RawProducer
from cutover_shim import Consumer

from .conftest import MockCluster, Switch, until


def fill(cluster: MockCluster, topic: str, values: range) -> None:
    producer = RawProducer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    for n in values:
        producer.produce(topic, str(n).encode(), partition=n % 2)
    assert producer.flush(10) == 0
    producer.close()


# The mock cluster's classic groups wait three seconds for members; those of KIP-848 are complete immediately.
FAST = {"group.protocol": "consumer"}


class App:
    def __init__(self, switch: Switch, topic: str, **conf: Any) -> None:
        self.events: list[Any] = []
        self.got: list[tuple[int, str | None]] = []
        self.consumer = Consumer(
            switch.conf(**{"group.id": f"g-{topic}", "auto.offset.reset": "earliest", **FAST, **conf})
        )
        self.consumer.subscribe([topic], on_assign=self.on_assign, on_revoke=self.on_revoke)

    def on_assign(self, consumer: Any, partitions: Any) -> None:
        self.events.append(("assign", consumer is self.consumer, len(partitions)))

    def on_revoke(self, consumer: Any, partitions: Any) -> None:
        self.events.append(("revoke", consumer is self.consumer, len(partitions)))

    def step(self) -> None:
        message = self.consumer.poll(0.1)
        if message is not None and message.error() is None:
            self.got.append((int(message.value()), self.consumer.cutover_cluster()))


def test_hold_commits_attests_and_leaves_then_joins_the_target(switch: Switch, topic: str) -> None:
    fill(switch.source, topic, range(20))
    fill(switch.target, topic, range(100, 110))
    app = App(switch, topic)
    until(lambda: len(app.got) == 20, app.step)
    switch.until_attested(1, app.step)
    generation = switch.write(consumers="hold")
    switch.until_attested(generation, app.step)
    route = switch.read_status()["routes"]["r"]
    assert route["committed"] == {topic: {"0": 10, "1": 10}}
    assert route["assigned"] == {}
    assert app.consumer.cutover_cluster() is None
    assert app.consumer.poll(0.1) is None
    assert app.consumer.assignment() == []
    assert app.events == [("assign", True, 4), ("revoke", True, 4)]
    switch.until_attested(switch.write(consumers="target"), app.step)
    until(lambda: len(app.got) == 30, app.step)
    assert {c for n, c in app.got if n >= 100} == {"target"}
    assert {c for n, c in app.got if n < 100} == {"source"}
    switch.until_attested(switch.write(consumers="source"), app.step)
    fill(switch.source, topic, range(20, 24))
    until(lambda: len(app.got) == 34, app.step)
    assert sorted(n for n, _ in app.got[30:]) == [20, 21, 22, 23]  # what it committed before it left is not read again
    app.consumer.close()
    assert app.events[-1] == ("revoke", True, 4)


def test_manual_commit_commits_nothing_that_the_application_did_not(switch: Switch, topic: str) -> None:
    fill(switch.source, topic, range(20))
    app = App(switch, topic, **{"enable.auto.commit": False})
    until(lambda: len(app.got) == 6, app.step)
    app.consumer.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)
    switch.until_attested(switch.write(consumers="hold"), app.step)
    assert switch.read_status()["routes"]["r"]["committed"] == {topic: {"0": 2}}
    app.consumer.close()


def test_consume_is_switched_too(switch: Switch, topic: str) -> None:
    fill(switch.source, topic, range(20))
    fill(switch.target, topic, range(100, 110))
    app = App(switch, topic)
    values: list[int] = []

    def step() -> None:
        values.extend(int(m.value()) for m in app.consumer.consume(7, 0.3) if m.error() is None)

    until(lambda: len(values) == 20, step)
    switch.until_attested(switch.write(consumers="target"), step)
    until(lambda: len(values) == 30, step)
    app.consumer.close()


def test_paused_partitions_stay_paused(switch: Switch, topic: str) -> None:
    fill(switch.source, topic, range(4))
    fill(switch.target, topic, range(100, 110))
    app = App(switch, topic)
    until(lambda: len(app.got) == 4, app.step)
    app.consumer.pause([TopicPartition(topic, 1)])
    switch.until_attested(switch.write(consumers="target"), app.step)
    until(lambda: len(app.got) == 9, app.step)
    for _ in range(5):
        app.step()
    assert sorted(n for n, c in app.got if c == "target") == [100, 102, 104, 106, 108]
    app.consumer.resume([TopicPartition(topic, 1)])
    until(lambda: len(app.got) == 14, app.step)
    app.consumer.close()


def test_offsets_of_the_cluster_that_was_left_are_not_committed_on_the_other(switch: Switch, topic: str) -> None:
    fill(switch.source, topic, range(40))
    fill(switch.target, topic, range(100, 104))
    app = App(switch, topic, **{"enable.auto.commit": False, "group.protocol": "classic"})
    app.consumer.unsubscribe()
    mine = TopicPartition(topic, 0)
    app.consumer.assign([mine])
    late: Any = None
    while late is None or late.offset() < 15:
        late = app.consumer.poll(5)
    switch.until_attested(switch.write(consumers="target"), app.step)
    for call in (lambda: app.consumer.commit(late, asynchronous=False), lambda: app.consumer.store_offsets(late)):
        with pytest.raises(KafkaException, match="of the cluster that was left"):
            call()
    here: Any = None
    while here is None:
        here = app.consumer.poll(5)
    assert app.consumer.commit(here, asynchronous=False)[0].offset == here.offset() + 1
    app.consumer.close()


def test_a_position_that_was_sought_survives(switch: Switch, topic: str) -> None:
    fill(switch.source, topic, range(20))
    consumer = Consumer(switch.conf(**{"group.id": f"g-{topic}", "auto.offset.reset": "earliest"}))
    consumer.assign([TopicPartition(topic, 0)])
    until(lambda: consumer.position([TopicPartition(topic, 0)])[0].offset == 10, lambda: consumer.poll(0.1))
    generation = switch.write(consumers="hold")
    until(lambda: switch.read_status()["seen_generation"] == generation)
    consumer.seek(TopicPartition(topic, 0, 3))
    switch.until_attested(generation, lambda: consumer.poll(0))
    assert switch.read_status()["routes"]["r"]["committed"] == {topic: {"0": 3}}
    consumer.close()


def test_a_start_in_hold_joins_when_released(switch: Switch, topic: str) -> None:
    fill(switch.target, topic, range(4))
    switch.write(consumers="hold")
    app = App(switch, topic, **{"group.protocol": "classic"})
    app.consumer.pause([])
    assert app.consumer.poll(0.1) is None
    switch.until_attested(switch.write(consumers="target"), app.step)
    until(lambda: len(app.got) == 4, app.step)
    app.consumer.close()


def test_a_static_member_is_switched_and_back(switch: Switch, topic: str) -> None:
    fill(switch.source, topic, range(4))
    fill(switch.target, topic, range(100, 104))
    app = App(switch, topic, **{"group.instance.id": "one"})
    until(lambda: len(app.got) == 4, app.step)
    switch.until_attested(switch.write(consumers="target"), app.step)
    until(lambda: len(app.got) == 8, app.step)
    switch.until_attested(switch.write(consumers="source"), app.step)
    fill(switch.source, topic, range(4, 6))
    until(lambda: len(app.got) == 10, app.step)
    assert sorted(n for n, _ in app.got) == [*range(6), *range(100, 104)]
    app.consumer.close()


@pytest.mark.parametrize("how", ["poll", "close"])
def test_on_revoke_runs_after_unsubscribe_as_in_the_client(switch: Switch, topic: str, how: str) -> None:
    app = App(switch, topic)
    until(lambda: app.events, app.step)
    app.consumer.unsubscribe()
    assert app.events == [("assign", True, 4)]
    if how == "poll":
        until(lambda: len(app.events) == 2, app.step)
    app.consumer.close()
    assert app.events == [("assign", True, 4), ("revoke", True, 4)]


def test_on_revoke_runs_when_a_switch_comes_between_unsubscribe_and_the_next_poll(switch: Switch, topic: str) -> None:
    app = App(switch, topic)
    until(lambda: app.events, app.step)
    app.consumer.unsubscribe()
    switch.until_attested(switch.write(consumers="hold"), app.step)
    assert app.events == [("assign", True, 4), ("revoke", True, 4)]
    switch.until_attested(switch.write(consumers="source"), app.step)
    assert app.consumer.assignment() == []
    app.consumer.close()


def test_partitions_assigned_next_to_a_subscription_survive_a_switch(switch: Switch, topic: str) -> None:
    extra = topic + "-extra"
    for cluster in switch.clusters.values():
        cluster.create(extra)
    fill(switch.target, extra, range(500, 504))
    app = App(switch, topic, **{"group.protocol": "classic", "partition.assignment.strategy": "cooperative-sticky"})
    until(lambda: app.events, app.step)
    app.consumer.incremental_assign([TopicPartition(extra, 0), TopicPartition(extra, 1)])
    app.consumer.incremental_unassign([TopicPartition(extra, 1)])
    switch.until_attested(switch.write(consumers="target"), app.step)
    until(lambda: len(app.got) == 2, app.step)
    assert sorted(n for n, _ in app.got) == [500, 502]
    assert (extra, 1) not in {(p.topic, p.partition) for p in app.consumer.assignment()}
    app.consumer.close()
