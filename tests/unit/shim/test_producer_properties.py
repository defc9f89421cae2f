"""Property: whatever an application and an operator do, in any order, nothing is lost, duplicated or reordered."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from cutover_shim import Producer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from .conftest import MockCluster, Switch

_numbers = itertools.count()


class ProducerMachine(RuleBasedStateMachine):
    """One producer, a cutover file that is rewritten at random, and a target that may be out of reach."""

    pair: tuple[MockCluster, MockCluster]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.topic = f"p{next(_numbers)}"
        for cluster in self.pair:
            cluster.create(self.topic)
        self.switch = Switch(Path(self.folder.name), *self.pair, (self.topic,))
        self.sent: list[tuple[int, int]] = []  # (partition, number), in the order of produce()
        self.reports: list[tuple[int, Any, Any]] = []
        self.purged = False
        self.producer: Any = None

    @initialize(place=st.sampled_from(["source", "hold", "target"]))
    def start(self, place: str) -> None:
        self.switch.write(producers=place)
        self.producer = Producer(self.switch.conf(**{"linger.ms": 3, "queue.buffering.max.messages": 200}))

    @rule(count=st.integers(1, 60), partition=st.integers(0, 1))
    def produce(self, count: int, partition: int) -> None:
        for _ in range(count):
            number = len(self.sent)
            try:
                self.producer.produce(self.topic, value=str(number), partition=partition, on_delivery=self.report)
            except BufferError:
                return
            self.sent.append((partition, number))

    def report(self, error: Any, message: Any) -> None:
        self.reports.append((int(message.value()), error, self.producer.cutover_cluster(self.topic)))

    @rule(timeout=st.sampled_from([0, 0, 0.01, 0.1]))
    def poll(self, timeout: float) -> None:
        self.producer.poll(timeout)

    @rule(timeout=st.sampled_from([0, 0.02, 0.2]))
    def flush(self, timeout: float) -> None:
        assert self.producer.flush(timeout) >= 0

    @rule(place=st.sampled_from(["source", "hold", "target"]), reachable=st.sampled_from([True, True, True, False]))
    def change(self, place: str, reachable: bool) -> None:
        self.switch.write(producers=place, target=None if reachable else "127.0.0.1:1")

    @rule()
    def let_time_pass(self) -> None:
        time.sleep(0.05)

    @rule(place=st.sampled_from(["source", "hold", "target"]))
    def change_and_wait(self, place: str) -> None:
        self.switch.until_attested(self.switch.write(producers=place), lambda: self.producer.poll(0.02))

    @precondition(lambda self: not self.purged)
    @rule()
    def purge(self) -> None:
        self.purged = True
        self.producer.purge()

    @invariant()
    def length_is_what_is_unreported(self) -> None:
        if self.producer is not None:
            assert len(self.producer) >= len(self.sent) - len(self.reports)

    def teardown(self) -> None:
        if self.producer is None:
            return
        self.switch.until_attested(self.switch.write(producers="target"), lambda: self.producer.poll(0.02))
        assert self.producer.flush(20) == 0
        self.producer.close()
        self.check()
        self.folder.cleanup()

    def check(self) -> None:
        assert sorted(n for n, _, _ in self.reports) == [n for _, n in self.sent], "every report exactly once"
        failed = {n for n, error, _ in self.reports if error is not None}
        if not self.purged:
            assert not failed
        for _, error, _ in self.reports:
            assert error is None or error.code() in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)
        where: dict[int, str] = {}
        for name, cluster in self.switch.clusters.items():
            for partition, values in cluster.read(self.topic).items():
                numbers = [int(v) for v in values]
                assert numbers == sorted(numbers), "order within a partition of one cluster"
                assert all((partition, n) in self.sent for n in numbers)
                for number in numbers:
                    assert number not in where, "a record on both clusters, or twice on one"
                    where[number] = name
        acked = {n: cluster for n, error, cluster in self.reports if error is None}
        assert acked.items() <= where.items(), "acknowledged on the cluster that the application was given"
        assert set(where) - set(acked) <= failed


def test_producer_machine(clusters: tuple[MockCluster, MockCluster]) -> None:
    ProducerMachine.pair = clusters
    run_state_machine_as_test(
        ProducerMachine,
        settings=settings(
            max_examples=int(os.environ.get("CUTOVER_EXAMPLES", "12")),
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_check_notices_a_lost_message(clusters: tuple[MockCluster, MockCluster]) -> None:
    ProducerMachine.pair = clusters
    machine = ProducerMachine()
    machine.start("source")
    machine.produce(3, 0)
    machine.sent.append((0, 3))  # one that never went anywhere
    with pytest.raises(AssertionError, match="exactly once"):
        machine.teardown()
    with contextlib.suppress(Exception):
        machine.folder.cleanup()
