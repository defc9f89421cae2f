"""Real librdkafka mock clusters and a cutover file to switch between them."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from confluent_kafka import Producer as RawProducer
from cutover_shim import prepare, watch


class MockCluster:
    """One of librdkafka's mock clusters: it lives as long as its producer. Topics appear when they are asked for."""

    def __init__(self, *topics: str) -> None:
        self._owner = RawProducer(
            {"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0, "log.connection.close": False}
        )
        brokers = self._owner.list_topics(timeout=10).brokers.values()
        self.bootstrap = ",".join(f"{b.host}:{b.port}" for b in brokers)
        for topic in topics:
            self.create(topic)

    def create(self, topic: str) -> None:
        self._owner.list_topics(topic, timeout=10)

    def close(self) -> None:
        self._owner.close()

    def read(self, topic: str) -> dict[int, list[bytes]]:
        """Return every partition's values, in log order."""
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )
        try:
            partitions = sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
            consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
            out: dict[int, list[bytes]] = {p: [] for p in partitions}
            open_ = set(partitions)
            deadline = time.monotonic() + 15
            while open_:
                assert time.monotonic() < deadline, f"cannot read {topic} to its end"
                for message in consumer.consume(1000, 0.1):
                    partition, error = message.partition(), message.error()
                    assert partition is not None
                    if error is None:
                        out[partition].append(message.value() or b"")
                    else:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        open_.discard(partition)
            return out
        finally:
            consumer.close()


class Switch:
    """A cutover file of two mock clusters, and the status directory next to it."""

    def __init__(self, folder: Path, source: MockCluster, target: MockCluster, topics: tuple[str, ...]) -> None:
        self.path = folder / "cutover.toml"
        self.status = folder / "status"
        self.source, self.target = source, target
        self.clusters = {"source": source, "target": target}
        self.topics = topics
        self.generation = 0
        self.groups = ("g",)

    def text(self, producers: str, consumers: str, *, target: str | None = None) -> str:
        return f"""
generation = {self.generation}
[clusters.source]
"bootstrap.servers" = "{self.source.bootstrap}"
[clusters.target]
"bootstrap.servers" = "{target or self.target.bootstrap}"
[routes.r]
topics = {json.dumps(list(self.topics))}
groups = {json.dumps(list(self.groups))}
producers = "{producers}"
consumers = "{consumers}"
"""

    def write(self, producers: str = "source", consumers: str = "source", *, target: str | None = None) -> int:
        self.generation += 1
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(self.text(producers, consumers, target=target))
        temporary.replace(self.path)
        return self.generation

    def conf(self, _instance: str = "a", /, **more: Any) -> dict[str, Any]:
        return {
            "bootstrap.servers": self.source.bootstrap,
            "cutover.file": str(self.path),
            "cutover.status": str(self.status),
            "cutover.instance": _instance,
            "log_level": 0,
            **more,
        }

    def read_status(self, instance: str = "a") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.status / f"{instance}.json").read_text())
        return found

    def status_or(self, default: dict[str, Any], instance: str = "a") -> dict[str, Any]:
        try:
            return self.read_status(instance)
        except OSError:
            return default

    def error(self, instance: str = "a") -> str:
        try:
            return str(self.read_status(instance)["routes"]["r"]["error"] or "")
        except (OSError, KeyError):
            return ""

    def attested(self, generation: int, instance: str = "a", route: str = "r") -> bool:
        """Apply the conductor's barrier rule."""
        try:
            r = self.read_status(instance)["routes"][route]
        except (OSError, KeyError):
            return False
        wanted = "held" if r["desired"] == "hold" else r["desired"]
        return bool(r["generation"] >= generation and r["state"] == wanted)

    def until_attested(
        self,
        generation: int,
        step: Callable[[], Any] = lambda: time.sleep(0.02),
        instance: str = "a",
        timeout: float = 20,
    ) -> None:
        until(lambda: self.attested(generation, instance), step, timeout, what=lambda: self.read_status(instance))


def until(
    condition: Callable[[], Any],
    step: Callable[[], Any] = lambda: time.sleep(0.02),
    timeout: float = 20,
    what: Callable[[], Any] = lambda: "",
) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"timed out: {what()}"
        step()


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch files at ten times the usual rate: the tests' time is mostly this wait."""
    monkeypatch.setattr(watch, "INTERVAL_S", 0.02)
    monkeypatch.setattr(prepare, "TIMEOUT_S", 0.5)


@pytest.fixture(scope="session")
def clusters() -> Iterator[tuple[MockCluster, MockCluster]]:
    pair = MockCluster(), MockCluster()
    yield pair
    for cluster in pair:
        cluster.close()


_count = itertools.count(1)


@pytest.fixture
def topic(clusters: tuple[MockCluster, MockCluster]) -> str:
    name = f"t{next(_count)}"
    for cluster in clusters:
        cluster.create(name)
    return name


@pytest.fixture
def switch(tmp_path: Path, clusters: tuple[MockCluster, MockCluster], topic: str) -> Switch:
    made = Switch(tmp_path, *clusters, (topic,))
    made.groups = (f"g-{topic}",)
    made.write()
    return made
