"""The contract on real brokers, for the raw client and the shim alike, and switches between two brokers."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import confluent_kafka
import cutover_shim
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from cutover_harness.testbed import ProcessTestbed

from tests.waiting import wait_until

sys.path.insert(0, str(Path(__file__).parents[1]))
from contract.bodies import *  # type: ignore[import-not-found]  # noqa: F403
from contract.bodies import Client


def create(conf: dict[str, Any], topic: str, partitions: int) -> None:
    admin = AdminClient(dict(conf))
    for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result(20)
    for _ in range(100):  # until every broker knows it
        if topic in admin.list_topics(timeout=10).topics:
            return
        time.sleep(0.05)


def write_file(path: Path, testbed: ProcessTestbed, generation: int, producers: str, consumers: str) -> None:
    clusters = "".join(
        f'[clusters.{name}]\n"bootstrap.servers" = "{getattr(testbed, name).bootstrap}"\n'
        for name in ("source", "target")
    )
    new = path.with_suffix(".new")
    new.write_text(
        f'generation = {generation}\n{clusters}[routes.all]\ntopics = ["*"]\ngroups = ["*"]\n'
        f'producers = "{producers}"\nconsumers = "{consumers}"\n'
    )
    new.replace(path)


@pytest.fixture(params=["raw", "shim at source"])
def client(request: pytest.FixtureRequest, testbed: ProcessTestbed, tmp_path: Path) -> Any:
    conf: dict[str, Any] = {**testbed.source.client_config(), "log_level": 0}
    kind: Any = confluent_kafka if request.param == "raw" else cutover_shim
    plain = dict(conf)
    if request.param != "raw":
        path = tmp_path / "cutover.toml"
        write_file(path, testbed, 1, "source", "source")
        conf["cutover.file"] = str(path)
    return Client(kind.Producer, kind.Consumer, conf, lambda topic, n: create(plain, topic, n), 3)


class App:
    """Produces and consumes one topic, under a cutover file that it rewrites itself."""

    def __init__(self, testbed: ProcessTestbed, folder: Path) -> None:
        self.testbed = testbed
        self.topic = f"switch-{time.time_ns()}"
        for cluster in (testbed.source, testbed.target):
            create(dict(cluster.client_config()), self.topic, 2)
        self.path = folder / "cutover.toml"
        self.generation, self.sent = 0, 0
        self.seen: list[int] = []
        self.write("source", "source")
        conf: dict[str, Any] = {"bootstrap.servers": "in.the.file:1", "cutover.file": str(self.path), "log_level": 0}
        self.producer = cutover_shim.Producer(conf)
        self.consumer = cutover_shim.Consumer({**conf, "group.id": self.topic, "auto.offset.reset": "earliest"})
        self.consumer.subscribe([self.topic])

    def write(self, producers: str, consumers: str) -> None:
        self.generation += 1
        write_file(self.path, self.testbed, self.generation, producers, consumers)

    def step(self, *, produce: bool) -> None:
        if produce:
            self.producer.produce(self.topic, str(self.sent), partition=self.sent % 2)
            self.sent += 1
        self.producer.poll(0.01)
        message = self.consumer.poll(0.02)
        if message is not None and message.error() is None:
            self.seen.append(int(message.value()))

    def go(self, place: str) -> None:
        self.write(place, place)
        wanted = None if place == "hold" else place
        deadline = time.monotonic() + 30
        while self.producer.cutover_cluster(self.topic) != wanted or self.consumer.cutover_cluster() != wanted:
            assert time.monotonic() < deadline
            self.step(produce=True)

    def read(self, place: str) -> None:
        self.write("target", place)
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            self.step(produce=False)


def test_a_consumer_that_is_sent_back_before_it_has_joined_and_then_sent_again_joins(
    testbed: ProcessTestbed, tmp_path: Path
) -> None:
    """librdkafka's mock broker keeps a member that left while it joined, for a session timeout; a broker does not."""
    app = App(testbed, tmp_path)
    wait_until(lambda: app.consumer.poll(0.05) is None and len(app.consumer.assignment()) == 2)
    other = confluent_kafka.Consumer({**testbed.target.client_config(), "group.id": app.topic, "log_level": 0})
    other.subscribe([app.topic])
    stop = threading.Event()

    def poll_rarely() -> None:
        while not stop.wait(1):  # the group on the target waits for this member: a join there takes that long
            other.poll(0)

    poller = threading.Thread(target=poll_rarely)
    poller.start()
    try:
        wait_until(lambda: len(other.assignment()) == 2)
        joined = []
        for place in ("target", "source", "target"):
            app.write("source", place)
            wait_until(lambda place=place: app.consumer.poll(0.05) is None and app.consumer.cutover_cluster() == place)  # type: ignore[misc]
            joined.append(bool(app.consumer.assignment()))
        assert not joined[0], "it had joined before it was sent back"
        # The default session timeout is 45 s: a member that is left behind would be waited for that long.
        wait_until(lambda: app.consumer.poll(0.05) is None and len(app.consumer.assignment()) == 1, 40)
    finally:
        stop.set()
        poller.join()
    other.close()
    app.producer.close()
    app.consumer.close()


def test_a_switch_between_real_clusters(testbed: ProcessTestbed, tmp_path: Path) -> None:
    app = App(testbed, tmp_path)
    for _ in range(20):
        app.step(produce=True)
    for place in ("hold", "target", "source", "target"):
        app.go(place)
    assert app.producer.flush(20) == 0
    # There is no mirror here: what was produced on a cluster that the consumer had left is read when it is back.
    app.read("source")
    app.read("target")
    assert sorted(app.seen) == list(range(app.sent))  # each once: what was committed is not read again
    app.producer.close()
    app.consumer.close()
