"""The cluster's facts for a recording, besides the records. Only reads; uses only the rights that it has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, ConfigSource, OffsetSpec, ResourceType  # type: ignore[attr-defined]

from cutover_harness.admin import NO_ID, connect
from cutover_harness.answer import answer_of
from cutover_harness.capture.changes import Layout
from cutover_harness.capture.format import CaptureError, GroupOffsets, TopicInfo
from cutover_harness.globs import is_glob, matches
from cutover_harness.group_offsets import ask_committed, committed_in
from cutover_harness.internal_topics import internal
from cutover_harness.types import PartitionId

TIMEOUT_S = 15.0
_SET_FOR_TOPIC = ConfigSource.DYNAMIC_TOPIC_CONFIG.value


@dataclass
class ClusterView:
    """The recorded cluster; `notes` lists what could not be read."""

    admin: AdminClient
    where: str
    notes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def connect(cls, client: Mapping[str, Any]) -> ClusterView:
        """Return a view of the cluster at `client` (librdkafka properties).

        Raises CaptureError if they are refused, or if it does not answer.
        """
        where = str(client.get("bootstrap.servers", "?"))
        try:
            return cls(connect(client, timeout_s=TIMEOUT_S), where)
        except KafkaException as why:
            error = why.args[0]
            if error.code() == KafkaError._INVALID_ARG:  # noqa: SLF001 - the client's name
                raise CaptureError(f"cluster properties: {error.str()}") from why
            raise CaptureError(f"cluster {where}: {error.str()}; check its address and credentials") from why

    def partitions(self, topics: Sequence[str], exclude: Sequence[str], known: Collection[str] = ()) -> dict[str, int]:
        """Return the partition count of each topic that matches `topics` (names or globs).

        Raises CaptureError if none is, or if a name is missing that is not among those `known` from before.
        """
        try:
            found = self.admin.list_topics(timeout=TIMEOUT_S).topics
        except KafkaException as why:
            raise CaptureError(f"cluster {self.where}: no answer ({why.args[0].str()})") from why
        chosen = select(found, topics, exclude)
        for name in topics:
            if not is_glob(name) and name not in chosen and name not in known:
                raise CaptureError(f"cluster {self.where}: has no topic {name!r}, or no right to read it")
        if not chosen and not known:
            raise CaptureError(f"cluster {self.where}: none of its topics ({len(found)}) matches {', '.join(topics)}")
        return {name: len(found[name].partitions) for name in chosen}

    def layout(self, topics: Sequence[str], exclude: Sequence[str]) -> Layout:
        """Return the current matching topics. Raises KafkaException."""
        found = self.admin.list_topics(timeout=TIMEOUT_S).topics
        counts = {
            name: len(found[name].partitions)
            for name in select(found, topics, exclude)
            if found[name].error is None and found[name].partitions
        }
        return Layout(counts, self.ids(counts))

    def ids(self, topics: Iterable[str]) -> dict[str, str]:
        """Return the ids of topics, without topics that are gone or have no id (Kafka < 2.8)."""
        names = list(topics)
        if not names:
            return {}
        out = {}
        for name, future in self.admin.describe_topics(TopicCollection(names), request_timeout=TIMEOUT_S).items():
            try:
                found = str(answer_of(future, TIMEOUT_S).topic_id)
            except KafkaException:  # just deleted, or no permission: a topic without id is followed by its log ends
                continue
            if found not in NO_ID:
                out[name] = found
        return out

    def configs(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return the properties that are set on each topic."""
        asked = self.admin.describe_configs(
            [ConfigResource(ResourceType.TOPIC, name) for name in topics], request_timeout=TIMEOUT_S
        )
        out = {}
        for resource, future in asked.items():
            try:
                entries = answer_of(future, TIMEOUT_S)
            except KafkaException as why:
                self.notes["topic configs"] = f"not read: {why.args[0].str()}"
                continue
            out[resource.name] = {
                name: str(e.value)
                for name, e in entries.items()
                if not e.is_default and not e.is_sensitive and e.source == _SET_FOR_TOPIC
            }
        return out

    def groups(self, topics: Iterable[str]) -> list[GroupOffsets]:
        """Return the groups that have committed offsets in `topics`, and those offsets."""
        wanted = set(topics)
        try:
            listed = answer_of(self.admin.list_consumer_groups(request_timeout=TIMEOUT_S), TIMEOUT_S)
            for error in listed.errors or ():
                self.notes["groups"] = f"not all were read: {error.args[0].str()}"
            names = sorted(g.group_id for g in listed.valid or ())
            asked = ask_committed(self.admin, names, TIMEOUT_S)
        except KafkaException as why:
            self.notes["groups"] = f"not read: {why.args[0].str()}"
            return []
        except TimeoutError:
            self.notes["groups"] = f"not read: no answer within {TIMEOUT_S:g} s"
            return []
        out = []
        for name in names:
            committed: dict[str, dict[int, int]] = {}
            try:
                offsets = committed_in(asked, name, TIMEOUT_S)
            except KafkaException as why:
                self.notes[f"group {name}"] = f"not read: {why.args[0].str()}"
                continue
            for (topic, partition), offset in offsets.items():
                if topic in wanted:
                    committed.setdefault(topic, {})[partition] = offset
            if committed:
                out.append(GroupOffsets(name, committed))
        return out

    def topic_infos(self, partitions: Mapping[str, int]) -> dict[str, TopicInfo]:
        """Return the facts of each topic for the capture."""
        configs = self.configs(partitions)
        return {name: TopicInfo(count, configs.get(name, {})) for name, count in partitions.items()}

    def offsets(self, partitions: Iterable[PartitionId], spec: Any, *, read_committed: bool) -> dict[PartitionId, int]:
        """Return an offset of each partition: OffsetSpec.earliest(), .latest() or .for_timestamp(ms).

        -1 if no record is at or after the timestamp.
        """
        asked = {TopicPartition(t, p): spec for t, p in partitions}
        if not asked:  # of a shard without a partition
            return {}
        level = IsolationLevel.READ_COMMITTED if read_committed else IsolationLevel.READ_UNCOMMITTED
        out = {}
        for partition, future in self.admin.list_offsets(
            asked, isolation_level=level, request_timeout=TIMEOUT_S
        ).items():
            try:
                out[partition.topic, partition.partition] = answer_of(future, TIMEOUT_S).offset
            except KafkaException as why:
                name = f"{partition.topic}-{partition.partition}"
                raise CaptureError(f"cluster {self.where}: no offsets of {name} ({why.args[0].str()})") from why
        return out

    def earliest(self, partitions: Iterable[PartitionId]) -> dict[PartitionId, int]:
        """Return the first offset of each partition."""
        return self.offsets(partitions, OffsetSpec.earliest(), read_committed=False)  # type: ignore[no-untyped-call]

    def latest(self, partitions: Iterable[PartitionId], *, read_committed: bool) -> dict[PartitionId, int]:
        """Return the end of each partition: the next offset, or the last stable one with `read_committed`."""
        return self.offsets(partitions, OffsetSpec.latest(), read_committed=read_committed)  # type: ignore[no-untyped-call]

    def at(self, partitions: Sequence[PartitionId], time_ms: int, *, read_committed: bool) -> dict[PartitionId, int]:
        """Return the first offset of each partition at or after `time_ms`, its end if there is none."""
        found = self.offsets(partitions, OffsetSpec.for_timestamp(time_ms), read_committed=read_committed)
        ends = self.latest(partitions, read_committed=read_committed)
        return {each: ends[each] if offset < 0 else offset for each, offset in found.items()}


def select(found: Iterable[str], topics: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """Return the names in `found` that match `topics` and not `exclude`.

    Internal ones (Kafka's, MirrorMaker 2's, AutoMQ's) only by their names.
    """
    out = []
    for name in sorted(found):
        by_name = name in topics
        by_glob = not internal(name) and matches(name, topics)
        if (by_name or by_glob) and not matches(name, exclude):
            out.append(name)
    return out
