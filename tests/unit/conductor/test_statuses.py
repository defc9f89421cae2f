"""Statuses from a topic and from a folder: the last one of each client, and never an old one taken for fresh."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.status_topic import TopicStatuses
from cutover_harness.conductor.statuses import FolderStatuses, StatusSource, open_statuses, read_statuses
from cutover_harness.errors import UsageError
from cutover_harness.procedure.client_status import StatusWatch

from tests.unit.conductor.run_folder import made
from tests.unit.shim.conftest import MockCluster
from tests.waiting import wait_until

DEEP = b"[" * 100_000
HOSTILE = [
    b"",
    b"\xff\xfe",
    b"{",
    b"[]",
    b"7",
    b'"x"',
    DEEP,
    b'{"instance": 7}',
    b'{"instance": "other"}',
    b"x" * (1 << 20),
]
_number = itertools.count(1)


def status(instance: str, updated: float = 1.0, **more: Any) -> dict[str, Any]:
    route = {"generation": 1, "desired": "source", "state": "source", "in_flight": 0, "queued": 0}
    return {
        "instance": instance,
        "role": "producer",
        "updated": updated,
        "closed": False,
        "routes": {"r": route},
        **more,
    }


class Topic:
    """A topic of a mock cluster, and who writes statuses to it."""

    def __init__(self, cluster: MockCluster) -> None:
        self.cluster = cluster
        self.name = f"statuses-{next(_number)}"
        self.writer = Producer(
            {"bootstrap.servers": cluster.bootstrap, "log_level": 0, "linger.ms": 0, "message.max.bytes": 10 << 20}
        )

    def create(self) -> None:
        self.cluster.create(self.name)

    def write(self, key: str | bytes | None, value: Any, **more: Any) -> None:
        content = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        self.writer.produce(self.name, content, key, **more)
        assert self.writer.flush(10) == 0

    def source(self) -> TopicStatuses:
        return TopicStatuses(self.name, {"bootstrap.servers": self.cluster.bootstrap})


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    made_here = MockCluster()
    yield made_here
    made_here.close()


@pytest.fixture
def topic(cluster: MockCluster) -> Topic:
    found = Topic(cluster)
    found.create()
    return found


@pytest.fixture
def source(topic: Topic) -> Iterator[TopicStatuses]:
    found = topic.source()
    yield found
    found.close()


def updated(source: StatusSource) -> dict[str, float]:
    return {name: each.updated for name, each in read_statuses(source, "r").items()}


def test_the_last_record_of_each_client_on_every_partition_counts(topic: Topic, source: TopicStatuses) -> None:
    for partition, name in enumerate("abcd"):
        for at in (1.0, 2.0):
            topic.write(name, status(name, at), partition=partition)
    assert updated(source) == dict.fromkeys("abcd", 2.0)
    topic.write("b", status("b", 3.0), partition=1)
    topic.write("e", status("e", 3.0), partition=1)
    wait_until(lambda: updated(source) == {"a": 2.0, "b": 3.0, "c": 2.0, "d": 2.0, "e": 3.0}, 10)
    assert source.problem is None


def test_a_removed_client_and_one_that_has_ended_are_gone(topic: Topic, source: TopicStatuses) -> None:
    for name in "abc":
        topic.write(name, status(name))
    assert set(updated(source)) == {"a", "b", "c"}
    topic.write("a", None)
    topic.write("b", status("b", 2.0, closed=True, ended="exited"))
    wait_until(lambda: set(updated(source)) == {"c"}, 10)
    assert set(source.read()) == {"b", "c"}  # its last status can still be shown
    topic.write("a", status("a", 2.0))
    wait_until(lambda: set(updated(source)) == {"a", "c"}, 10)


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_status_of_this_client_does_not_replace_the_one_before(
    topic: Topic, source: TopicStatuses, value: bytes
) -> None:
    topic.write("a", status("a"))
    assert updated(source) == {"a": 1.0}
    topic.write("a", value)
    topic.write(b"\xff\xfe", status("x"))
    topic.write(None, status("y"))
    topic.write("z", value)
    topic.write("b", status("b"))
    wait_until(lambda: "b" in updated(source), 10)
    assert updated(source) == {"a": 1.0, "b": 1.0}
    topic.write("a", status("a", 2.0))
    wait_until(lambda: updated(source) == {"a": 2.0, "b": 1.0}, 10)


@pytest.mark.parametrize(
    "change", [{"updated": float("nan")}, {"updated": "x"}, {"routes": []}, {"routes": {"r": 7}}, {"role": None}]
)
def test_a_status_with_wrong_fields_is_left_out(topic: Topic, source: TopicStatuses, change: dict[str, Any]) -> None:
    topic.write("a", {**status("a"), **change})
    topic.write("b", status("b"))
    wait_until(lambda: "b" in updated(source), 10)
    assert set(updated(source)) - {"a"} == {"b"}
    assert ("a" in updated(source)) == ("role" in change)  # any other role than that of a producer is a consumer's


def test_a_read_never_returns_a_state_before_it_began(topic: Topic, source: TopicStatuses) -> None:
    """A client that died long ago must not seem to be alive while a backlog is read."""
    for backlog in range(1, 4):
        for number in range(20_000):
            topic.writer.produce(topic.name, json.dumps(status("a", backlog * 100_000.0 + number)), "a", partition=2)
            if number % 1000 == 0:
                topic.writer.poll(0)
        assert topic.writer.flush(30) == 0
        last = backlog * 100_000.0 + 19_999
        wait_until(lambda last=last: updated(source)["a"] == last, 20)  # type: ignore[misc]


def test_while_no_broker_answers_the_last_known_statuses_get_silent(cluster: MockCluster, topic: Topic) -> None:
    now = [0.0]
    source, watch = topic.source(), StatusWatch(lambda: now[0])
    for at in (1.0, 2.0):
        topic.write("a", status("a", at))
        wait_until(lambda at=at: updated(source) == {"a": at}, 10)  # type: ignore[misc]
        watch.look(read_statuses(source, "r"))
    assert watch.renews("a")
    cluster.close()
    wait_until(lambda: (read_statuses(source, "r"), source.problem)[1], 30)
    now[0] = 60.0
    watch.look(read_statuses(source, "r"))
    assert updated(source) == {"a": 2.0}
    assert (watch.renews("a"), watch.silent_s("a")) == (False, 60.0)
    source.close()


def test_a_topic_that_is_created_later_is_read_then(cluster: MockCluster) -> None:
    topic = Topic(cluster)
    source = topic.source()
    assert source.read() == {}
    assert "the topic does not exist" in str(source.problem)
    topic.create()
    topic.write("a", status("a"))
    wait_until(lambda: updated(source) == {"a": 1.0}, 20)
    assert source.problem is None
    source.close()


def test_nobody_at_the_address_is_a_problem_and_no_status(topic: Topic) -> None:
    source = open_statuses("kafka:x", {"bootstrap.servers": "127.0.0.1:1"})
    assert source.read() == {}
    assert source.problem is not None
    source.close()


def test_a_property_that_the_client_refuses_is_a_problem_without_its_secret() -> None:
    conf = {"bootstrap.servers": "127.0.0.1:1", "security.protocol": "hunter2-hunter2"}
    source = open_statuses("kafka:x", conf, lambda text: text.replace("hunter2-hunter2", "***"))
    assert source.read() == {}
    assert "***" in str(source.problem)
    source.close()


def test_a_folder_has_the_same_interface(tmp_path: Path) -> None:
    assert open_statuses(tmp_path / "none", {}).problem == "no such folder"
    for number, value in enumerate([json.dumps(status("a")).encode(), *HOSTILE]):
        (tmp_path / f"{number}.json").write_bytes(value)
    os.mkfifo(tmp_path / "pipe.json")
    source = open_statuses(tmp_path, {})
    assert isinstance(source, FolderStatuses)
    assert updated(source) == {"a": 1.0}
    assert "1.json: not a JSON document, so it is no status: remove it" in str(source.problem)


@pytest.mark.parametrize("place", ["kafka:statuses", "status"])
def test_a_conductors_configuration_names_a_topic_or_a_folder(tmp_path: Path, place: str) -> None:
    config = made(tmp_path / "run").model_copy(
        update={"statuses": place if place.startswith("kafka:") else tmp_path / "run" / place}
    )
    config.save(tmp_path / "run" / "conductor.json", run=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "conductor.json").read_text())["statuses"] == place
    (tmp_path / "run").rename(tmp_path / "moved")
    found = ConductorConfig.load(tmp_path / "moved" / "conductor.json")
    is_topic = place.startswith("kafka:")
    assert found.statuses == (place if is_topic else tmp_path / "moved" / "status")
    assert ("statuses" in found.batch.exclude) == is_topic  # the mirror does not copy them
    text = (tmp_path / "moved" / "cutover.toml").read_text()
    source = found.open_statuses(text)
    assert source.name == (place if is_topic else str(tmp_path / "moved" / "status"))
    source.close()


def test_a_topic_without_a_name_is_refused(tmp_path: Path) -> None:
    config = made(tmp_path / "run").model_copy(update={"statuses": "kafka:"})
    config.save(tmp_path / "conductor.json")
    with pytest.raises(UsageError, match=r"statuses: .*the name of the topic is missing: write kafka:TOPIC"):
        ConductorConfig.load(tmp_path / "conductor.json")
