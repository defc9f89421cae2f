"""A cluster of any size at the layer of the AdminClient: its answers are objects of the client's own classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    ConsumerGroupType,
    KafkaError,
    KafkaException,
    Node,
    TopicPartition,
)
from confluent_kafka import admin as typed_kafka
from cutover_harness.inventory.broker_calls import BrokerCallError, ProducerState
from cutover_harness.inventory.model import Acl, Quota
from cutover_harness.types import PartitionId

kafka: Any = typed_kafka  # its types leave some names out
BROKERS = (1, 2, 3)
CONFIG = {f"setting.{number}": str(number) for number in range(32)} | {
    "cleanup.policy": "delete",
    "message.timestamp.type": "CreateTime",
    "retention.ms": "604800000",
    "max.message.bytes": "1048588",
}
NOW_MS = 1_795_000_000_000


@dataclass
class StubCluster:
    """`topics` topics with `per_topic` partitions, and `groups` groups, each with two members that read ten topics.

    Names in `refused` are those of topics and groups that calls refuse; `moves`: what grows between two readings.
    `before_3`: brokers do not know which timestamp is the largest.
    """

    topics: int
    per_topic: int
    groups: int
    refused: frozenset[str] = frozenset()
    refusal: int = KafkaError.TOPIC_AUTHORIZATION_FAILED
    moves: int = 0
    before_3: bool = False
    calls: dict[str, int] = field(default_factory=dict)

    def list_topics(self, timeout: float) -> Any:
        found = kafka.ClusterMetadata()
        found.cluster_id = "stub"
        found.brokers = {number: kafka.BrokerMetadata() for number in BROKERS}
        for index in range(self.topics):
            topic = kafka.TopicMetadata()
            topic.topic = name_of(index)
            for number in range(self.per_topic):
                partition = kafka.PartitionMetadata()
                partition.id, partition.leader = number, BROKERS[number % 3]
                partition.replicas, partition.isrs = list(BROKERS), list(BROKERS)
                topic.partitions[number] = partition
            found.topics[topic.topic] = topic
        return found

    def describe_configs(self, resources: Sequence[Any], request_timeout: float) -> dict[Any, Future[Any]]:
        def entries() -> dict[str, Any]:
            return {
                name: kafka.ConfigEntry(name, value, source=1 if name == "retention.ms" else 5)
                for name, value in CONFIG.items()
            }

        return {resource: self._answer("configs", resource.name, entries()) for resource in resources}

    def list_offsets(self, asked: Mapping[TopicPartition, Any], **_: Any) -> dict[TopicPartition, Future[Any]]:
        def found(spec: Any) -> Any:
            if spec is kafka.OffsetSpec.latest():
                again = self.calls.get("latest", 0) > self.topics * self.per_topic
                return kafka.ListOffsetsResultInfo(1000 + (self.moves if again else 0), -1, 1)
            if spec is kafka.OffsetSpec.earliest():
                return kafka.ListOffsetsResultInfo(10, -1, 1)
            if spec is kafka.OffsetSpec.max_timestamp():
                # Before 3.0 it is a timestamp in the past, so that the first record answers.
                return kafka.ListOffsetsResultInfo(*((10, 1) if self.before_3 else (999, NOW_MS)), 1)
            if spec.timestamp > NOW_MS:
                return kafka.ListOffsetsResultInfo(-1, -1, 1)
            return kafka.ListOffsetsResultInfo(10, max(spec.timestamp, NOW_MS - 1000), 1)

        out = {}
        for partition, spec in asked.items():
            kind = "latest" if spec is kafka.OffsetSpec.latest() else "offsets"
            self.calls[kind] = self.calls.get(kind, 0) + 1
            out[partition] = self._answer(kind, partition.topic, found(spec))
        return out

    def list_consumer_groups(self, request_timeout: float) -> Future[Any]:
        state, kind = ConsumerGroupState.STABLE, ConsumerGroupType.CLASSIC
        listed = [kafka.ConsumerGroupListing(group_of(i), False, state, kind) for i in range(self.groups)]
        return done(kafka.ListConsumerGroupsResult(listed, []))

    def describe_consumer_groups(self, names: Sequence[str], request_timeout: float) -> dict[str, Future[Any]]:
        def described(name: str) -> Any:
            members = []
            for number in range(2):
                read = [
                    TopicPartition(topic, p) for topic in self.read_by(name) for p in range(number, self.per_topic, 2)
                ]
                members.append(
                    kafka.MemberDescription(f"m-{number}", "client", "/10.0.0.1", kafka.MemberAssignment(read))
                )
            state, kind = ConsumerGroupState.STABLE, ConsumerGroupType.CLASSIC
            node = Node(1, "b", 9092)
            return kafka.ConsumerGroupDescription(name, False, members, "range", state, node, None, kind)

        return {name: self._answer("members", name, described(name)) for name in names}

    def list_consumer_group_offsets(
        self, asked: Sequence[ConsumerGroupTopicPartitions], request_timeout: float
    ) -> dict[str, Future[Any]]:
        name = asked[0].group_id
        offsets = [TopicPartition(topic, p, 900) for topic in self.read_by(name) for p in range(self.per_topic)]
        return {name: self._answer("committed", name, ConsumerGroupTopicPartitions(name, offsets))}

    def describe_cluster(self, **_: Any) -> Future[Any]:
        return done(kafka.DescribeClusterResult(Node(1, "b", 9092), [], "stub", [8]))

    def read_by(self, group: str) -> list[str]:
        first = int(group.rpartition("-")[2]) * 5
        return [name_of((first + step) % self.topics) for step in range(min(10, self.topics))]

    def _answer(self, kind: str, name: str, value: Any) -> Future[Any]:
        if name in self.refused or value is None:
            future: Future[Any] = Future()
            code = KafkaError._UNSUPPORTED_FEATURE if value is None else self.refusal
            future.set_exception(KafkaException(KafkaError(code)))
            return future
        return done(value)


@dataclass
class StubBrokers:
    """The calls of kafka-python for a StubCluster. `hidden` topics are on the brokers' disks only."""

    cluster: StubCluster
    hidden: tuple[str, ...] = ()
    error: BrokerCallError | None = None

    def log_sizes(self, broker: int) -> dict[PartitionId, int]:
        self._check()
        known = {
            (name_of(index), number): 5000
            for index in range(self.cluster.topics)
            for number in range(self.cluster.per_topic)
        }
        return known | {(name, 0): 1 for name in self.hidden}

    def free_bytes(self, broker: int) -> int | None:
        self._check()
        return 1 << 40

    def producers(
        self, broker: int, partitions: Sequence[PartitionId]
    ) -> tuple[dict[PartitionId, list[ProducerState]], dict[PartitionId, BrokerCallError]]:
        self._check()
        refused = {p: BrokerCallError("forbidden", "no right") for p in partitions if p[0] in self.cluster.refused}
        return {p: [ProducerState(7, 0, NOW_MS, -1)] for p in partitions if p not in refused}, refused

    def transactional_ids(self, broker: int) -> dict[int, str]:
        self._check()
        return {}

    def acls(self) -> list[Acl] | None:
        self._check()
        return []

    def quotas(self) -> list[Quota]:
        self._check()
        return []

    def close(self) -> None:
        pass

    def _check(self) -> None:
        if self.error is not None:
            raise self.error


@contextmanager
def without_sockets(*, before_3: bool = False) -> Iterator[None]:
    """Leave out what is asked without the AdminClient: features, versions of requests, a broker's configuration."""
    with (
        patch("cutover_harness.inventory.writes.served_versions", return_value={2: 6 if before_3 else 7}),
        patch("cutover_harness.inventory.cluster.finalized_features", return_value=None),
        patch("cutover_harness.inventory.cluster.broker_settings", return_value={}),
    ):
        yield


def done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def name_of(index: int) -> str:
    return f"topic-{index:05}"


def group_of(index: int) -> str:
    return f"group-{index:05}"
