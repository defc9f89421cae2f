"""Topics on the target: created with the source's values in force, and left alone if they were there before."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import ConfigEntry, ConfigSource  # type: ignore[attr-defined]
from cutover_harness.mirror import MirrorError
from cutover_harness.mirror.target_topics import TargetTopics

OWN, STATIC = ConfigSource.DYNAMIC_TOPIC_CONFIG, ConfigSource.STATIC_BROKER_CONFIG


class Cluster:
    """A cluster as far as topics are created in it, which refuses some properties."""

    def __init__(self, refuses: Iterable[str] = (), error: int = KafkaError.INVALID_CONFIG) -> None:
        self.topics: dict[str, dict[str, str]] = {}
        self.entries: dict[str, dict[str, ConfigEntry]] = {}
        self.altered: list[str] = []
        self.refuses = set(refuses)
        self.error = error

    def partitions(self, topics: Iterable[str] | None = None) -> dict[str, int]:
        return dict.fromkeys(self.topics, 1)

    def topic_entries(self, topics: Iterable[str]) -> dict[str, dict[str, ConfigEntry]]:
        return {name: self.entries[name] for name in topics}

    def topic_configs(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        return {name: {"retention.ms": "1", **self.topics[name]} for name in topics}

    def try_topic(self, name: str, _: int, config: Mapping[str, str], *, only_check: bool = False) -> KafkaError | None:
        if self.refuses & config.keys():
            return KafkaError(self.error)
        if name in self.topics:
            return KafkaError(KafkaError.TOPIC_ALREADY_EXISTS)
        if not only_check:
            self.topics[name] = dict(config)
        return None

    def set_topic_config(self, topic: str, config: Mapping[str, str]) -> None:
        self.altered.append(topic)
        self.topics[topic] |= config


def source(**topics: Mapping[str, tuple[str, ConfigSource]]) -> Any:
    found = Cluster()
    for topic, entries in topics.items():
        found.entries[topic] = {name: ConfigEntry(name, *value) for name, value in entries.items()}
    return found


FOR_EVER = {"retention.ms": ("-1", STATIC)}


def test_a_topic_is_created_with_the_settings_of_the_sources_broker() -> None:
    target: Any = Cluster()
    topics = TargetTopics(source(a=FOR_EVER), target)
    assert topics.follow({"a": 1})
    assert target.topics == {"a": {"retention.ms": "-1"}}
    assert not topics.notes
    assert not topics.follow({"a": 1}), "nothing is new"


def test_a_topic_that_existed_before_is_not_changed() -> None:
    target: Any = Cluster()
    target.topics["a"] = {"retention.ms": "5"}
    TargetTopics(source(a=FOR_EVER), target).follow({"a": 1})
    assert target.topics == {"a": {"retention.ms": "5"}}
    assert not target.altered


def test_a_topic_that_mirrormaker_created_first_gets_its_properties_afterwards() -> None:
    target: Any = Cluster()
    topics = TargetTopics(source(a=FOR_EVER, b=FOR_EVER), target)
    topics.follow({"a": 1})
    target.topics["b"] = {}
    assert topics.follow({"a": 1, "b": 1})
    assert target.topics["b"] == {"retention.ms": "-1"}
    assert target.altered == ["b"]


def test_properties_that_the_target_refuses_are_left_out_and_named() -> None:
    target: Any = Cluster(refuses=["vendor.x"])
    own = {**FOR_EVER, "vendor.x": ("1", OWN), "remote.storage.enable": ("true", OWN)}
    topics = TargetTopics(source(a=own, b=FOR_EVER), target)
    topics.follow({"a": 1})
    assert target.topics == {"a": {"retention.ms": "-1"}}
    assert topics.notes == ["topic a: not copied to the target: remote.storage.enable, vendor.x"]
    assert topics.unknown == {"vendor.x", "remote.storage.enable"}
    topics.follow({"a": 1, "b": 1})
    assert topics.unknown == {"vendor.x", "remote.storage.enable"}, "another topic does not restart the connector"


def test_a_topic_that_cannot_be_created_is_an_error_with_what_to_do() -> None:
    target: Any = Cluster(refuses=["retention.ms"], error=KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(MirrorError, match=r"topic a cannot be created .* 1 partition and retention\.ms=-1"):
        TargetTopics(source(a=FOR_EVER), target).follow({"a": 1})
