"""Read clusters and client files for the rules."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
)

from cutover_harness.admin import TIMEOUT_S, Admin, connect
from cutover_harness.answer import answer_of
from cutover_harness.errors import UsageError
from cutover_harness.features import finalized_features
from cutover_harness.globs import matches
from cutover_harness.group_offsets import ask_committed, committed_in
from cutover_harness.inputs import read_text_input
from cutover_harness.internal_topics import OFFSET_SYNCS, internal
from cutover_harness.preflight.model import Client, Cluster, Group, Topic, Version
from cutover_harness.stale_metadata import COORDINATOR_COMES, repeated
from cutover_harness.types import PartitionId

_LIVE = frozenset(
    {ConsumerGroupState.STABLE, ConsumerGroupState.PREPARING_REBALANCING, ConsumerGroupState.COMPLETING_REBALANCING}
)

_NOT_SHOWN = (KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.GROUP_ID_NOT_FOUND)
"""Not allowed, or just deleted."""


def read_cluster(name: str, config: Mapping[str, str], globs: Sequence[str], *, count: Collection[str] = ()) -> Cluster:
    """Return the cluster's topics that `globs` match (all if there is none), groups, version and settings.

    Records of the topics in `count` are counted. Only reads. Raises UsageError if the cluster does not answer, or
    refuses what is necessary.
    """
    try:
        client = connect(config)
        found = client.list_topics(timeout=TIMEOUT_S)
        counts = {topic: found.topics[topic] for topic in sorted(found.topics) if _wanted(topic, globs)}
        entries = _topic_entries(client, counts)
        records = _records(Admin(config), [topic for topic in counts if topic in count])
        if not found.brokers:
            raise UsageError(f"{name} cluster {config.get('bootstrap.servers')}: names no broker: try again")
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
            config={name: entry.value for name, entry in entries[topic].items() if entry.value is not None},
            own=frozenset(
                name
                for name, entry in entries[topic].items()
                if ConfigSource(entry.source) == ConfigSource.DYNAMIC_TOPIC_CONFIG
            ),
            records=records.get(topic),
        )
        for topic, known in counts.items()
    }
    return Cluster(
        topics,
        groups,
        kafka_version(broker),
        broker,
        len(found.brokers),
        features=finalized_features(config),
        mirrored_into=any(OFFSET_SYNCS.fullmatch(topic) for topic in found.topics),
    )


def read_target_acks(file: Path) -> str | None:
    """Return what a cutover file sets for acks on the target. References in it are not followed.

    Raises UsageError naming the file.
    """
    try:
        found = tomllib.loads(read_text_input(file, "--cutover-file"))
    except (tomllib.TOMLDecodeError, RecursionError) as why:
        raise UsageError(f"--cutover-file {file}: not TOML ({why})") from why
    clusters = found.get("clusters")
    target = clusters.get("target") if isinstance(clusters, dict) else None
    if not isinstance(target, dict):
        raise UsageError(f"--cutover-file {file}: has no table [clusters.target]; name the cutover file of the clients")
    acks = target.get("acks", target.get("request.required.acks"))
    return None if acks is None else str(acks).lower()


def read_client(file: Path) -> Client:
    """Return the properties in an application's client file, with names of the Java client or of librdkafka.

    Raises UsageError naming file and line, never a value.
    """
    text = read_text_input(file, "--client")
    found: dict[str, str] = {}
    pending = ""
    for number, line in enumerate(text.splitlines(), start=1):
        line = pending + line.strip()  # noqa: PLW2901 - continued
        # In a Java properties file a backslash at the end continues the line.
        pending = line[:-1] if line.endswith("\\") else ""
        if pending or not line or line[0] in "#!":
            continue
        # As in Java, a blank also separates.
        parts = re.fullmatch(r"([^=:\s]+)(?:\s*[=:]\s*|\s+)(.*)", line)
        if parts is None:
            raise UsageError(f"--client {file}, line {number}: expected name=value")
        found[parts[1]] = parts[2]
    if not found:
        raise UsageError(f"--client {file}: contains no property")
    return Client(found)


def _wanted(topic: str, globs: Sequence[str]) -> bool:
    if topic in globs:
        return True
    return not internal(topic) and (not globs or matches(topic, globs))


def _topic_entries(client: AdminClient, topics: Iterable[str]) -> dict[str, dict[str, ConfigEntry]]:
    asked = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
    futures = client.describe_configs(asked, request_timeout=TIMEOUT_S) if asked else {}
    return {resource.name: answer_of(future, TIMEOUT_S) for resource, future in futures.items()}


def _records(admin: Admin, topics: Sequence[str]) -> dict[str, int]:
    """Return the number of offsets in the logs of each topic, transaction markers included."""
    starts, ends = admin.start_offsets(topics), admin.end_offsets(topics)
    found = dict.fromkeys(topics, 0)
    for partition, end in ends.items():
        found[partition[0]] += end - starts.get(partition, 0)
    return found


def _broker_config(client: AdminClient, broker: int) -> dict[str, str]:
    """Return a broker's configuration, empty without permission to read it: rules report it as unknown."""
    resource = ConfigResource(ConfigResource.Type.BROKER, str(broker))
    try:
        entries = answer_of(client.describe_configs([resource], request_timeout=TIMEOUT_S)[resource], TIMEOUT_S)
    except KafkaException:
        return {}
    return {name: entry.value for name, entry in entries.items() if entry.value is not None and not entry.is_sensitive}


def kafka_version(broker: Mapping[str, str]) -> Version | None:
    """Return Kafka's version: the default of this setting is the broker's own (3.x and before), and 4.0 removed it."""
    if version := re.match(r"(\d+)\.(\d+)", broker.get("inter.broker.protocol.version", "")):
        return int(version[1]), int(version[2])
    return (4,) if "process.roles" in broker else None


def _groups(client: AdminClient) -> dict[str, Group]:
    listed = answer_of(client.list_consumer_groups(request_timeout=TIMEOUT_S), TIMEOUT_S)
    for error in listed.errors or ():
        raise error
    groups = listed.valid or []
    # All requests in parallel: a cluster may have thousands.
    asked = ask_committed(client, [group.group_id for group in groups], TIMEOUT_S)
    found = {}
    for group in groups:
        offsets = _committed(client, group.group_id, asked)
        kind = getattr(getattr(group, "type", None), "name", "CLASSIC")
        found[group.group_id] = Group(
            tuple(sorted({topic for topic, _ in offsets})),
            "consumer" if kind == "CONSUMER" else "classic",
            offsets,
            group.state in _LIVE,
        )
    return found


def _committed(client: AdminClient, group: str, first: dict[str, Future[Any]]) -> dict[PartitionId, int]:
    """Return a group's offsets, empty if they are not shown: a group without topics violates no rule.

    first: the answer that was asked for already. Raises KafkaException that names the group.
    """
    asked = [first]
    try:
        return repeated(
            lambda: committed_in(asked.pop() if asked else ask_committed(client, [group], TIMEOUT_S), group, TIMEOUT_S),
            COORDINATOR_COMES,
            TIMEOUT_S,
        )
    except KafkaException as why:
        error = why.args[0]
        if error.code() in _NOT_SHOWN:
            return {}
        raise KafkaException(KafkaError(error.code(), f"offsets of group {group}: {error.str()}")) from why
