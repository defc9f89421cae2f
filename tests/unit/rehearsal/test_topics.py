"""Recorded topics on brokers that do not accept all of their properties, or not their names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException
from cutover_harness.capture import CaptureInfo, CaptureWriter, TopicInfo, record_batch
from cutover_harness.errors import UsageError
from cutover_harness.plan.load import parse
from cutover_harness.plan.topic_names import problem
from cutover_harness.rehearsal.folder import RunFolder
from cutover_harness.rehearsal.settings import Settings
from cutover_harness.rehearsal.topics import create, words


class Brokers:
    """A cluster that knows some properties; `remote.storage.enable` it knows, and refuses the value."""

    def __init__(self, brokers: int = 1, replicas: int | None = None) -> None:
        self.count = brokers
        self.config = {} if replicas is None else {"default.replication.factor": str(replicas)}
        self.created: dict[str, dict[str, str]] = {}

    def brokers(self) -> int:
        return self.count

    def broker_config(self) -> dict[str, str]:
        return self.config

    def would_create(self, topic: str, partitions: int, config: Mapping[str, str]) -> KafkaError | None:
        if topic in self.created:
            return KafkaError(KafkaError.TOPIC_ALREADY_EXISTS, "there already")
        for name, value in config.items():
            if name.startswith("confluent.") or (name, value) == ("remote.storage.enable", "true"):
                return KafkaError(KafkaError.INVALID_CONFIG, f"{name} is\nrefused")
        return None

    def create_topics(self, topics: Mapping[str, int], config: Mapping[str, str] | None = None) -> None:
        for name, count in topics.items():
            if (error := self.would_create(name, count, config or {})) is not None:
                raise KafkaException(error)
            self.created[name] = dict(config or {})


def test_properties_that_the_brokers_refuse_are_left_out_and_named() -> None:
    brokers = Brokers()
    config = {"retention.ms": "1000", "confluent.value.schema.validation": "true", "remote.storage.enable": "true"}
    topics = {
        "a": TopicInfo(3, config),
        "b": TopicInfo(1, {"remote.storage.enable": "false"}),
        "c": TopicInfo(1, config),
    }
    created, left = create(brokers, topics, "capture x")
    assert brokers.created == {
        "a": {"retention.ms": "1000"},
        "b": {"remote.storage.enable": "false"},
        "c": {"retention.ms": "1000"},
    }
    assert {name: dict(info.config) for name, info in created.items()} == brokers.created
    assert {name: info.partitions for name, info in created.items()} == {"a": 3, "b": 1, "c": 1}
    assert words(left) == [
        "created without confluent.value.schema.validation=true: a, c: confluent.value.schema.validation is refused",
        "created without remote.storage.enable=true: a, c: remote.storage.enable is refused",
    ]


@pytest.mark.parametrize(("brokers", "kept"), [(1, {}), (2, {"min.insync.replicas": "2"})])
def test_more_replicas_in_sync_than_brokers_would_have_nothing_acknowledged(
    brokers: int, kept: Mapping[str, str]
) -> None:
    cluster = Brokers(brokers)
    _, left = create(cluster, {"a": TopicInfo(1, {"min.insync.replicas": "2"})}, "capture x")
    assert cluster.created == {"a": kept}
    assert bool(left) == (not kept)


@pytest.mark.parametrize(
    ("replicas", "wanted", "left"),
    [(3, "2", None), (3, "3", None), (3, "4", "topics of the source have 3 replicas"),
     (1, "2", "topics of the source have 1 replica"), (None, "4", None)],
)  # fmt: skip
def test_more_replicas_in_sync_than_replicas_neither(replicas: int | None, wanted: str, left: str | None) -> None:
    _, found = create(Brokers(5, replicas), {"a": TopicInfo(1, {"min.insync.replicas": wanted})}, "capture x")
    assert [each.reason for each in found] == ([] if left is None else [left])


def test_a_topic_that_cannot_be_created_is_one_line() -> None:
    brokers = Brokers()
    brokers.create_topics({"a": 1})
    with pytest.raises(UsageError, match=r"^capture x: topic a cannot be created on the source: there already$"):
        create(brokers, {"a": TopicInfo(1, {})}, "capture x")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["orders.eu", "orders_eu"], "orders.eu and orders_eu collide"),
        (["a b"], "'a b' is no name of a topic"),
        ([".."], "'..' is no name"),
        (["x" * 250], "is no name"),
        ([""], "'' is no name"),
        (["orders.eu", "orders_us", "Orders.eu", "x" * 249], None),
    ],
)
def test_names_that_no_cluster_has_together(names: list[str], says: str | None) -> None:
    found = problem(names)
    assert found is None if says is None else says in str(found)


def test_colliding_names_are_refused_when_the_capture_is_read(tmp_path: Path) -> None:
    capture = tmp_path / "c.parquet"
    with CaptureWriter(capture) as writer:
        writer.write(record_batch(["orders.eu"], [0], [0], [1], [1], [b"k"], [b"v"], [None]))
        writer.close(CaptureInfo("now", {"orders.eu": TopicInfo(1), "orders_eu": TopicInfo(1)}))
    settings = Settings(out=tmp_path / "out", capture=capture, command="", seed=1)
    with pytest.raises(UsageError, match=r"c.parquet: orders.eu and orders_eu collide"):
        RunFolder(settings)


def test_colliding_names_are_refused_when_the_scenario_is_read() -> None:
    text = "name: x\ntitle: x\npath: [create-task]\ntraffic: {orders.eu: {}, orders_eu: {}}\n"
    with pytest.raises(UsageError, match=r"x\.yaml:1: traffic: orders.eu and orders_eu collide"):
        parse(text, "x.yaml")
