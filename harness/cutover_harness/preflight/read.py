"""What the rules look at, read from real clusters and files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from cutover_harness.admin import TIMEOUT_S, Admin, connect
from cutover_harness.errors import UsageError
from cutover_harness.globs import matches
from cutover_harness.preflight.model import Client, Cluster, Group, Topic, Version

# Kafka's and MirrorMaker 2's own: out of scope unless they are named.
_OWN = re.compile(r"__.*|mm2-.*\.internal|.*\.checkpoints\.internal|heartbeats")


def read_cluster(name: str, config: Mapping[str, str], globs: Sequence[str]) -> Cluster:
    """Return the cluster's topics that `globs` match (all where there is none), groups, version and settings.

    Only reads. Raises UsageError where it does not answer, or refuses what cannot be done without.
    """
    try:
        client = connect(config)
        found = client.list_topics(timeout=TIMEOUT_S)
        counts = {topic: found.topics[topic] for topic in sorted(found.topics) if _wanted(topic, globs)}
        configs = Admin(config).topic_configs(counts)
        broker = _broker_config(client, min(found.brokers))
        groups = _groups(client)
    except KafkaException as why:
        raise UsageError(f"{name} cluster {config.get('bootstrap.servers')}: {why.args[0].str()}") from why
    if not counts and globs:
        raise UsageError(f"{name} cluster: no topic matches {', '.join(globs)}")
    topics = {
        topic: Topic(
            partitions=len(known.partitions),
            replication=max((len(p.replicas) for p in known.partitions.values()), default=1),
            config=configs[topic],
        )
        for topic, known in counts.items()
    }
    return Cluster(topics, groups, _version(broker), broker, len(found.brokers))


def read_client(file: Path) -> Client:
    """Return an application's client properties as they stand in the file, of a Java client or of librdkafka.

    Raises UsageError naming file and line, never a value.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as why:
        raise UsageError(f"--client {file}: cannot be read ({getattr(why, 'strerror', None) or why})") from why
    found: dict[str, str] = {}
    pending = ""
    for number, line in enumerate(text.splitlines(), start=1):
        line = pending + line.strip()  # noqa: PLW2901 - continued
        # A backslash at its end continues a line of Java's properties.
        pending = line[:-1] if line.endswith("\\") else ""
        if pending or not line or line[0] in "#!":
            continue
        # As in Java a blank separates too.
        parts = re.fullmatch(r"([^=:\s]+)(?:\s*[=:]\s*|\s+)(.*)", line)
        if parts is None:
            raise UsageError(f"--client {file}, line {number}: expected name=value")
        found[parts[1]] = parts[2]
    if not found:
        raise UsageError(f"--client {file}: holds no property")
    return Client(found)


def _wanted(topic: str, globs: Sequence[str]) -> bool:
    if topic in globs:
        return True
    return not _OWN.fullmatch(topic) and (not globs or matches(topic, globs))


def _broker_config(client: AdminClient, broker: int) -> dict[str, str]:
    """Return a broker's configuration, nothing where it may not be read: rules say what they do not know."""
    resource = ConfigResource(ConfigResource.Type.BROKER, str(broker))
    try:
        entries = client.describe_configs([resource], request_timeout=TIMEOUT_S)[resource].result()
    except KafkaException:
        return {}
    return {name: entry.value for name, entry in entries.items() if entry.value is not None and not entry.is_sensitive}


def _version(broker: Mapping[str, str]) -> Version | None:
    """Return Kafka's version: the default of this setting is the broker's own (3.x and before), and 4.0 removed it."""
    if told := re.match(r"(\d+)\.(\d+)", broker.get("inter.broker.protocol.version", "")):
        return int(told[1]), int(told[2])
    return (4,) if "process.roles" in broker else None


def _groups(client: AdminClient) -> dict[str, Group]:
    listed = client.list_consumer_groups(request_timeout=TIMEOUT_S).result().valid
    # All are asked at once: a cluster may have thousands.
    asked = {
        group.group_id: client.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group.group_id)], request_timeout=TIMEOUT_S
        )[group.group_id]
        for group in listed
    }
    found = {}
    for group in listed:
        try:
            topics = {p.topic for p in asked[group.group_id].result().topic_partitions or []}
        except KafkaException:  # gone meanwhile, or not allowed: a group without topics breaks no rule
            topics = set()
        kind = getattr(getattr(group, "type", None), "name", "CLASSIC")
        found[group.group_id] = Group(tuple(sorted(topics)), "consumer" if kind == "CONSUMER" else "classic")
    return found
