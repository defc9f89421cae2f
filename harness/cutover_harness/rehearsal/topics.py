"""Creation of the recorded topics on the source; properties that its brokers do not accept are left out and listed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException

from cutover_harness.capture.format import TopicInfo
from cutover_harness.errors import UsageError

_OF_A_PROPERTY = frozenset({KafkaError.INVALID_CONFIG, KafkaError.INVALID_REQUEST, KafkaError.POLICY_VIOLATION})
IN_SYNC = "min.insync.replicas"
_REPLICAS = "default.replication.factor"


class Cluster(Protocol):
    """The cluster's methods that are needed; all raise KafkaException."""

    def brokers(self) -> int:
        """Return the number of brokers."""
        ...

    def broker_config(self) -> dict[str, str]:
        """Return the configuration of one broker; empty if it must not be read."""
        ...

    def create_topics(self, topics: Mapping[str, int], config: Mapping[str, str] | None = None) -> None:
        """Create topics with this number of partitions."""
        ...

    def would_create(self, topic: str, partitions: int, config: Mapping[str, str]) -> KafkaError | None:
        """Return why the topic would not be created with these properties, None if it would."""
        ...


@dataclass(frozen=True)
class LeftOut:
    """A property that a topic was created without, and why."""

    topic: str
    name: str
    value: str
    reason: str


def create(
    cluster: Cluster, topics: Mapping[str, TopicInfo], origin: str
) -> tuple[dict[str, TopicInfo], list[LeftOut]]:
    """Create `topics`; return them with the properties that they got, and those that were left out.

    Raises UsageError, which begins with `origin`, if one cannot be created at all.
    """
    created, left = {}, []
    for name, info in topics.items():
        try:
            config, without = _accepted(cluster, name, info)
            cluster.create_topics({name: info.partitions}, config)
        except KafkaException as why:
            raise UsageError(f"{origin}: topic {name} cannot be created on the source: {why.args[0].str()}") from None
        created[name] = replace(info, config=config)
        left += without
    return created, left


def _accepted(cluster: Cluster, topic: str, info: TopicInfo) -> tuple[dict[str, str], list[LeftOut]]:
    """Return the topic's properties that the brokers accept, found by asking them."""
    config, left = dict(info.config), list[LeftOut]()
    in_sync = config.get(IN_SYNC, "1")
    if in_sync.isdecimal() and int(in_sync) > 1 and (why := _too_few(cluster, int(in_sync))) is not None:
        del config[IN_SYNC]
        left.append(LeftOut(topic, IN_SYNC, in_sync, why))
    if not config or not _of_a_property(cluster.would_create(topic, info.partitions, config)):
        return config, left
    kept: dict[str, str] = {}
    for name, value in config.items():
        error = cluster.would_create(topic, info.partitions, {**kept, name: value})
        if error is not None and _of_a_property(error):
            left.append(LeftOut(topic, name, value, error.str()))
        else:
            kept[name] = value
    return kept, left


def _too_few(cluster: Cluster, in_sync: int) -> str | None:
    """Return why a topic cannot have so many replicas in sync, so that nothing would be acknowledged; else None."""
    brokers = cluster.brokers()
    if in_sync > brokers:
        return f"the source has {brokers} broker{'s' if brokers > 1 else ''}"
    replicas = cluster.broker_config().get(_REPLICAS, "")
    few = replicas.isdecimal() and in_sync > int(replicas)
    return f"topics of the source have {replicas} replica{'' if replicas == '1' else 's'}" if few else None


def _of_a_property(error: KafkaError | None) -> bool:
    return error is not None and error.code() in _OF_A_PROPERTY


def words(left: list[LeftOut]) -> list[str]:
    """Return one line for each property and reason, with the topics that were created without it."""
    topics: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for each in left:
        topics[each.name, each.value, each.reason].append(each.topic)
    return [
        f"created without {name}={value}: {', '.join(found[:3])}"
        f"{f' and {len(found) - 3} more' if len(found) > 3 else ''}: {' '.join(reason.split())}"
        for (name, value, reason), found in topics.items()
    ]
