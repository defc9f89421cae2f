"""Property: in whatever order a consumer is switched, it reads every record of each cluster once and in order."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer as RawProducer
from confluent_kafka import TopicPartition
from cutover_shim import Consumer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from .conftest import MockCluster, Switch, until

_numbers = itertools.count()
PLACES = st.sampled_from(["source", "hold", "target"])


class ConsumerMachine(RuleBasedStateMachine):
    """One consumer with partitions of its own, records that appear on both clusters, a file that is rewritten."""

    pair: tuple[MockCluster, MockCluster]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.topic = f"c{next(_numbers)}"
        for cluster in self.pair:
            cluster.create(self.topic)
        self.switch = Switch(Path(self.folder.name), *self.pair, (self.topic,))
        self.switch.groups = (self.topic,)
        self.writers = {
            name: RawProducer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
            for name, cluster in self.switch.clusters.items()
        }
        self.written: dict[tuple[str, int], int] = {}
        self.seen: dict[tuple[str, int], list[int]] = {}
        self.partitions = [TopicPartition(self.topic, 0), TopicPartition(self.topic, 1)]
        self.consumer: Any = None

    @initialize(place=PLACES)
    def start(self, place: str) -> None:
        self.switch.write(consumers=place)
        self.consumer = Consumer(self.switch.conf(**{"group.id": self.topic, "auto.offset.reset": "earliest"}))
        self.consumer.assign(self.partitions)

    @rule(cluster=st.sampled_from(["source", "target"]), partition=st.integers(0, 1), count=st.integers(1, 30))
    def feed(self, cluster: str, partition: int, count: int) -> None:
        first = self.written.get((cluster, partition), 0)
        for number in range(first, first + count):
            self.writers[cluster].produce(self.topic, f"{cluster} {number}", partition=partition)
        assert self.writers[cluster].flush(10) == 0
        self.written[cluster, partition] = first + count

    def take(self, message: Any) -> None:
        if message is None or message.error() is not None:
            return
        cluster, number = message.value().decode().split()
        assert cluster == self.consumer.cutover_cluster(), "cutover_cluster() is the cluster of the message"
        self.seen.setdefault((cluster, message.partition()), []).append(int(number))

    @rule(timeout=st.sampled_from([0, 0.02, 0.1, 0.3]))
    def poll(self, timeout: float) -> None:
        self.take(self.consumer.poll(timeout))

    @rule(count=st.integers(1, 20), timeout=st.sampled_from([0, 0.05, 0.3]))
    def consume(self, count: int, timeout: float) -> None:
        for message in self.consumer.consume(count, timeout):
            self.take(message)

    @rule(place=PLACES, reachable=st.sampled_from([True, True, False]))
    def change(self, place: str, reachable: bool) -> None:
        self.switch.write(consumers=place, target=None if reachable else "127.0.0.1:1")
        time.sleep(0.05)

    @rule(place=PLACES)
    def change_and_wait(self, place: str) -> None:
        self.switch.until_attested(self.switch.write(consumers=place), lambda: self.poll(0.02))

    @rule(partition=st.integers(0, 1))
    def pause(self, partition: int) -> None:
        self.consumer.pause([self.partitions[partition]])

    @rule(partition=st.integers(0, 1))
    def resume(self, partition: int) -> None:
        self.consumer.resume([self.partitions[partition]])

    def teardown(self) -> None:
        if self.consumer is None:
            return
        self.consumer.resume(self.partitions)
        for place in ("source", "target"):
            self.change_and_wait(place)
            mine = {key: count for key, count in self.written.items() if key[0] == place}
            until(
                lambda mine=mine: all(len(self.seen.get(k, [])) >= n for k, n in mine.items()),  # type: ignore[misc]
                lambda: self.poll(0.05),
                what=lambda: (self.written, self.seen),
            )
        self.poll(0.2)
        self.consumer.close()
        for writer in self.writers.values():
            writer.close()
        self.folder.cleanup()
        assert self.seen == {key: list(range(count)) for key, count in self.written.items()}, "each once and in order"


def test_consumer_machine(clusters: tuple[MockCluster, MockCluster]) -> None:
    ConsumerMachine.pair = clusters
    run_state_machine_as_test(
        ConsumerMachine,
        settings=settings(
            max_examples=int(os.environ.get("CUTOVER_EXAMPLES", "8")),
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_check_notices_a_second_reading(clusters: tuple[MockCluster, MockCluster]) -> None:
    ConsumerMachine.pair = clusters
    machine = ConsumerMachine()
    machine.start("source")
    machine.feed("source", 0, 3)
    machine.seen["source", 0] = [0]  # as if the first one had been read before
    with pytest.raises(AssertionError, match="each once and in order"):
        machine.teardown()
