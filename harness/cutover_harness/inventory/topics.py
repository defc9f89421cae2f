"""Topics of a cluster: partitions, replicas, leaders and configuration."""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource, ConfigSource  # type: ignore[attr-defined]

from cutover_harness.errors import UsageError
from cutover_harness.internal_topics import internal
from cutover_harness.inventory.calls import TIMEOUT_S, Calls
from cutover_harness.inventory.model import TopicEntry
from cutover_harness.words import counted

_SLICE = 200
CONFIGS = "configurations of topics"
_REMEDY = "grant DescribeConfigs on these topics"
_OWN = ConfigSource.DYNAMIC_TOPIC_CONFIG.value


@dataclass
class Layout:
    """The brokers, and the leader of each partition of each topic (-1: none)."""

    cluster_id: str | None
    brokers: list[int]
    leaders: dict[str, array[int]]

    @property
    def partitions(self) -> int:
        """The number of all partitions."""
        return sum(map(len, self.leaders.values()))


def read_topics(calls: Calls) -> tuple[Layout, dict[str, TopicEntry]]:
    """Return all topics that the cluster shows. Raises UsageError if it does not answer."""
    calls.wait()
    try:
        found = calls.client.list_topics(timeout=TIMEOUT_S)
    except KafkaException as why:
        raise UsageError(f"{calls.cluster} cluster: no answer ({why.args[0].str()})") from why
    layout = Layout(found.cluster_id, sorted(found.brokers), {})
    topics = {}
    for name, known in sorted(found.topics.items()):
        if known.error is not None:
            calls.failed("topics", KafkaException(known.error), [name])
            continue
        partitions = [known.partitions[number] for number in sorted(known.partitions)]
        layout.leaders[name] = array("i", (each.leader for each in partitions))
        topics[name] = TopicEntry(
            name=name,
            internal=internal(name),
            partitions=len(partitions),
            replication=max((len(each.replicas) for each in partitions), default=0),
            without_leader=sum(each.leader < 0 for each in partitions),
        )
        if topics[name].without_leader:
            reason = "their offsets and times cannot be read"
            calls.gaps.add("partitions without a leader", "failed", reason, cluster=calls.cluster, names=[name])
    calls.tell(
        f"{counted(len(topics), 'topic')} with {counted(layout.partitions, 'partition')} "
        f"on {counted(len(layout.brokers), 'broker')}"
    )
    return layout, topics


def read_configs(calls: Calls, topics: dict[str, TopicEntry]) -> None:
    """Fill in what is configured."""
    for names in calls.slices(topics, _SLICE, CONFIGS, len(topics)):
        calls.wait()
        asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        futures = calls.client.describe_configs(asked, request_timeout=TIMEOUT_S)
        for resource, entries in calls.results(CONFIGS, futures, lambda each: each.name, _REMEDY):
            values = {name: entry.value for name, entry in entries.items() if entry.value is not None}
            topic = topics[resource.name]
            topic.config = {
                sys.intern(name): sys.intern(str(entry.value))
                for name, entry in sorted(entries.items())
                if entry.source == _OWN and not entry.is_sensitive and entry.value is not None
            }
            topic.compacted = "compact" in values["cleanup.policy"] if "cleanup.policy" in values else None
            topic.timestamps = values.get("message.timestamp.type")
            topic.retention_ms = _number(values.get("retention.ms"))
            topic.max_message_bytes = _number(values.get("max.message.bytes"))


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
