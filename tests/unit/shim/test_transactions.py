"""A transactional producer changes cluster between two transactions, never within one."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from confluent_kafka import KafkaException
from cutover_shim import Producer

from .conftest import Switch, until


def opened(switch: Switch, topic: str, **more: Any) -> Producer:
    return Producer(switch.conf(**{"transactional.id": f"x-{topic}", **more}))


def total(switch: Switch, topic: str) -> dict[str, list[bytes]]:
    return {n: sorted(v for p in c.read(topic).values() for v in p) for n, c in switch.clusters.items()}


def test_a_switch_waits_for_the_end_of_the_transaction(switch: Switch, topic: str) -> None:
    producer = opened(switch, topic)
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(topic, b"1")
    generation = switch.write(producers="target")
    until(lambda: switch.read_status()["routes"]["r"]["state"] == "draining")
    producer.produce(topic, b"2")
    time.sleep(0.2)
    assert producer.cutover_cluster(topic) == "source"
    producer.commit_transaction(10)
    producer.begin_transaction()  # immediately: it begins on the cluster that the switch leads to
    producer.produce(topic, b"3")
    switch.until_attested(generation, lambda: producer.poll(0.01))
    producer.commit_transaction(10)
    producer.close()
    assert total(switch, topic) == {"source": [b"1", b"2"], "target": [b"3"]}


def test_a_held_transaction_waits_and_can_be_aborted(switch: Switch, topic: str) -> None:
    switch.write(producers="hold")
    failed: list[Any] = []
    producer = opened(switch, topic)
    with pytest.raises(KafkaException, match="Operation not valid in state Init"):
        producer.begin_transaction()
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(topic, b"1", on_delivery=lambda e, m: failed.append(e and e.name()))
    with pytest.raises(KafkaException) as caught:
        producer.commit_transaction(0.2)
    error: Any = caught.value.args[0]
    assert error.retriable()
    producer.abort_transaction(1)
    producer.poll(0)
    assert failed == ["_PURGE_QUEUE"]
    producer.begin_transaction()
    producer.produce(topic, b"2")
    switch.write(producers="target")
    producer.commit_transaction(20)
    producer.close()
    assert total(switch, topic) == {"source": [], "target": [b"2"]}


def test_there_and_back_many_times(switch: Switch, topic: str) -> None:
    producer = opened(switch, topic)
    producer.init_transactions(10)
    generation = 1
    for number in range(12):
        producer.begin_transaction()
        producer.produce(topic, b"%02d" % number)
        if number % 3 == 0:
            generation = switch.write(producers=("target", "source")[number // 3 % 2])
        producer.commit_transaction(20)
    switch.until_attested(generation, lambda: producer.poll(0.01))
    producer.close()
    both = total(switch, topic)
    assert sorted(both["source"] + both["target"]) == [b"%02d" % n for n in range(12)]


def test_the_first_topic_decides_the_route_and_a_second_route_is_refused(switch: Switch, topic: str) -> None:
    other = topic + "-b"
    switch.target.create(other)
    switch.source.create(other)
    more = f'[routes.s]\ntopics = ["{other}"]\ngroups = []\nproducers = "target"\nconsumers = "source"\n'
    switch.generation += 1
    switch.path.write_text(switch.text("source", "source") + more)
    producer = opened(switch, topic)
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(other, b"1")
    assert producer.cutover_cluster(other) == "target"
    with pytest.raises(KafkaException, match="a transaction cannot span routes"):
        producer.produce(topic, json.dumps({}))
    producer.commit_transaction(10)
    producer.close()
    assert total(switch, other) == {"source": [], "target": [b"1"]}
