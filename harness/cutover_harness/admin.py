"""What the harness asks of a cluster: topics, log ends and the committed offsets of groups."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic
from cutover_shim.codes import REFUSED, SILENCE

from cutover_harness.answer import answer_of, description_of
from cutover_harness.group_offsets import ask_committed, committed_in
from cutover_harness.renewable import Renewable, renewing
from cutover_harness.stale_metadata import COORDINATOR_COMES, LEADER_COMES, RETRY_S, repeated, sound
from cutover_harness.topic_creation import create, taken
from cutover_harness.types import PartitionId
from cutover_harness.waits import wait_until

T = TypeVar("T")

TIMEOUT_S = 10.0
# The harness kills brokers on purpose: its clients reconnect soon and do not log; the harness reports instead.
# Rebootstrapping (KIP-899, the default) drops the bootstrap handle as soon as a broker is known again, and with it
# (seen in librdkafka 2.16.0) a FindCoordinator in flight: its call then waits until its timeout.
CLIENT_DEFAULTS: Mapping[str, str] = {
    "reconnect.backoff.max.ms": "500",
    "metadata.recovery.strategy": "none",
    "log_level": "2",
}

_LISTEN_S = 1.0
NO_ID = ("None", "AAAAAAAAAAAAAAAAAAAAAA")


def connect(config: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> AdminClient:
    """Return a client of the cluster at `config` (librdkafka properties) after the cluster's first answer.

    Raises KafkaException: soon and with the reason if authentication or a certificate is refused, which the client
    reports only to its error callback; otherwise after `timeout_s`, or if a property is invalid.
    """
    heard: list[KafkaError] = []
    settings: dict[str, Any] = {**CLIENT_DEFAULTS, **config, "error_cb": heard.append}
    client = AdminClient(settings)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            client.list_topics(timeout=min(_LISTEN_S, timeout_s))
        except KafkaException:
            client.poll(0)
            for error in heard:
                if error.code() in REFUSED:
                    raise KafkaException(error) from None
            if time.monotonic() >= deadline:
                raise
        else:
            return client


class Admin:
    """Administrative calls to one cluster; `config` are librdkafka properties, passed on as they are.

    Every method raises KafkaException if the cluster refuses the call or does not answer within `timeout_s`.
    """

    def __init__(self, config: Mapping[str, str], *, timeout_s: float = TIMEOUT_S) -> None:
        self.config = config
        self._timeout_s = timeout_s
        self.clients = Renewable[AdminClient](lambda: AdminClient({**CLIENT_DEFAULTS, **config}))

    @property
    def _client(self) -> AdminClient:
        return self.clients.client

    def renew(self) -> None:
        """Replace the client by a new one; calls of other threads are answered by the one that they began with."""
        self.clients.renew()

    @renewing
    def create_topics(
        self, topics: Mapping[str, int], config: Mapping[str, str] | None = None, *, replication: int = -1
    ) -> None:
        """Create topics (name -> partitions) with this topic configuration; one that exists is an error.

        `replication` -1 is the cluster's default (KIP-464). Returns when the brokers' metadata has them: a creation is
        answered by the controller, and brokers hear of it a moment later.
        """
        new = [
            NewTopic(name, num_partitions=count, replication_factor=replication, config=dict(config or {}))
            for name, count in topics.items()
        ]
        create(self._client, new, self._timeout_s)
        self._await(lambda: self.partitions(topics) == dict(topics))

    def would_create(self, topic: str, partitions: int, config: Mapping[str, str]) -> KafkaError | None:
        """Return why the cluster would not create such a topic, None if it would; nothing is created."""
        return self.try_topic(topic, partitions, config, only_check=True)

    @renewing
    def brokers(self) -> int:
        """Return the number of brokers."""
        return len(self._metadata().brokers)

    @renewing
    def add_partitions(self, counts: Mapping[str, int]) -> None:
        """Increase the partition counts of topics. Return when the brokers' metadata has them."""
        new = [NewPartitions(name, count) for name, count in counts.items()]
        for future in self._client.create_partitions(new, operation_timeout=self._timeout_s).values():
            answer_of(future, self._timeout_s)
        self._await(lambda: self.partitions(counts) == dict(counts))

    @renewing
    def delete_topics(self, topics: Iterable[str]) -> None:
        """Delete topics; one that does not exist is an error. Return when their names are free again."""
        names = list(topics)
        for future in self._client.delete_topics(names, operation_timeout=self._timeout_s).values():
            answer_of(future, self._timeout_s)
        self._await(lambda: not self.partitions(names) and not taken(self._client, names, self._timeout_s))

    @renewing
    def partitions(self, topics: Iterable[str] | None = None) -> dict[str, int]:
        """Return the partition count of each of `topics` that exists, of all topics if None."""
        wanted = None if topics is None else list(topics)

        def ask() -> dict[str, int]:
            known = self._metadata().topics
            found = {name: known[name] for name in (known if wanted is None else wanted) if name in known}
            for topic in found.values():
                # It exists, and its number of partitions is not known now.
                if topic.error is not None and topic.error.code() in LEADER_COMES - {KafkaError.UNKNOWN_TOPIC_OR_PART}:
                    raise KafkaException(topic.error)
            return {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}

        return repeated(ask, LEADER_COMES, self._timeout_s)

    @renewing
    def cluster_id(self) -> str | None:
        """Return the id of the cluster; None if it has none."""
        found = self._client.list_topics(timeout=self._timeout_s).cluster_id
        return None if found is None else str(found)

    @renewing
    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """Return the id of each of `topics` that exists, which changes if a topic is recreated (KIP-516).

        Brokers before 2.8 have no ids: the result is empty.
        """
        names = list(self.partitions(topics))
        if not names:
            return {}
        ids = {}
        futures = self._client.describe_topics(TopicCollection(names), request_timeout=self._timeout_s)
        for name, future in futures.items():
            try:
                found = str(answer_of(future, self._timeout_s).topic_id)
            except KafkaException as error:  # deleted since
                if error.args[0].code() not in LEADER_COMES:
                    raise
                continue
            if found not in NO_ID:
                ids[name] = found
        return ids

    @renewing
    def describe_topic(self, topic: str) -> tuple[str, int] | None:
        """Return id and partition count of one topic, without asking for the others; None if it does not exist."""
        future = self._client.describe_topics(TopicCollection([topic]), request_timeout=self._timeout_s)[topic]
        try:
            found = answer_of(future, self._timeout_s)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise
        return str(found.topic_id), len(found.partitions)

    @renewing
    def delete_records(self, before: Mapping[PartitionId, int]) -> None:
        """Remove the records below these offsets, as retention does."""
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in before.items()]
        for future in self._client.delete_records(offsets, request_timeout=self._timeout_s).values():
            answer_of(future, self._timeout_s)

    @renewing
    def end_offsets(self, topics: Iterable[str]) -> dict[PartitionId, int]:
        """Return the offset of each partition's next record; topics that do not exist are left out."""
        return self._offsets(topics, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    @renewing
    def stable_offsets(self, topics: Iterable[str]) -> dict[PartitionId, int]:
        """Return the end of each partition's readable part: its end, or the start of the first open transaction."""
        return self._offsets(topics, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)  # type: ignore[no-untyped-call]

    @renewing
    def start_offsets(self, topics: Iterable[str]) -> dict[PartitionId, int]:
        """Return the first offset of each partition's log: retention may have removed earlier records."""
        return self._offsets(topics, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def topic_configs(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return the configuration in force of each topic; one that does not exist is an error."""
        return {
            topic: {name: str(entry.value) for name, entry in entries.items()}
            for topic, entries in self.topic_entries(topics).items()
        }

    @renewing
    def topic_entries(self, topics: Iterable[str]) -> dict[str, dict[str, ConfigEntry]]:
        """Return each topic's effective configuration with the source of each value; a missing topic is an error."""
        asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in topics]
        if not asked:
            return {}
        futures = self._client.describe_configs(asked, request_timeout=self._timeout_s)
        answers = {resource.name: answer_of(future, self._timeout_s) for resource, future in futures.items()}
        return {
            topic: {name: entry for name, entry in entries.items() if entry.value is not None}
            for topic, entries in answers.items()
        }

    @renewing
    def broker_config(self) -> dict[str, str]:
        """Return the configuration of one broker; empty if it must not be read."""
        brokers = self._client.list_topics(timeout=self._timeout_s).brokers
        resource = ConfigResource(ConfigResource.Type.BROKER, str(min(brokers)))
        try:
            future = self._client.describe_configs([resource], request_timeout=self._timeout_s)[resource]
            entries = answer_of(future, self._timeout_s)
        except KafkaException as error:
            if error.args[0].code() in SILENCE:
                raise
            return {}
        return {name: entry.value for name, entry in entries.items() if entry.value is not None}

    @renewing
    def try_topic(
        self, name: str, partitions: int, config: Mapping[str, str], *, only_check: bool = False
    ) -> KafkaError | None:
        """Create a topic, or only let the cluster check whether it could; return why it was refused.

        Raises KafkaException only if the cluster does not answer.
        """
        new = NewTopic(name, num_partitions=partitions, replication_factor=-1, config=dict(config))
        future = self._client.create_topics([new], operation_timeout=self._timeout_s, validate_only=only_check)[name]
        try:
            answer_of(future, self._timeout_s)
        except KafkaException as error:
            refused: KafkaError = error.args[0]
            if refused.code() in SILENCE:
                raise
            return refused
        if not only_check:
            self._await(lambda: self.partitions([name]) == {name: partitions})
        return None

    @renewing
    def set_topic_config(self, topic: str, config: Mapping[str, str]) -> None:
        """Set these properties of a topic, and leave its others as they are."""
        to_set = AlterConfigOpType.SET
        entries = [ConfigEntry(name, value, incremental_operation=to_set) for name, value in config.items()]
        asked = [ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)]
        for future in self._client.incremental_alter_configs(asked, request_timeout=self._timeout_s).values():
            answer_of(future, self._timeout_s)

    @renewing
    def committed(self, group: str, topics: Iterable[str] | None = None) -> dict[PartitionId, int]:
        """Return the group's committed offsets (the next record to read), of these topics or of all."""

        def ask() -> dict[PartitionId, int]:
            return committed_in(ask_committed(self._client, [group], self._timeout_s), group, self._timeout_s)

        found = self._of_coordinator(ask)
        if topics is None:
            return found
        wanted = set(topics)
        return {key: offset for key, offset in found.items() if key[0] in wanted}

    @renewing
    def members(self, group: str) -> int:
        """Return how many members the group has, 0 while it rebalances or if it does not exist."""
        found = self._of_coordinator(lambda: self._describe(group))
        return len(found.members) if found is not None and found.state == ConsumerGroupState.STABLE else 0

    def active(self, group: str) -> int:
        """Return how many members the group has in any state, 0 if it does not exist."""
        return len(self.member_names(group))

    def member_names(self, group: str) -> list[str]:
        """Return `client id at host` of each member that the group has in any state; empty if it does not exist."""
        return sorted(self.member_ids(group).values())

    @renewing
    def member_ids(self, group: str) -> dict[str, str]:
        """Return `client id at host` of each member that the group has in any state, by member id."""
        found = self._of_coordinator(lambda: self._describe(group))
        members = [] if found is None else found.members
        return {each.member_id: f"{each.client_id} at {each.host.lstrip('/')}" for each in members}

    @renewing
    def set_committed(self, group: str, offsets: Mapping[PartitionId, int]) -> None:
        """Set committed offsets of a group that has no members; with members the cluster refuses it."""
        if not offsets:
            return

        def ask() -> list[TopicPartition]:
            positions = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
            request = [ConsumerGroupTopicPartitions(group, positions)]
            future = self._client.alter_consumer_group_offsets(request, request_timeout=self._timeout_s)[group]
            return sound(answer_of(future, self._timeout_s).topic_partitions or [])

        self._of_coordinator(ask)

    def _of_coordinator(self, ask: Callable[[], T]) -> T:
        """Return the answer of a group's coordinator, which may move in the meantime. Raises KafkaException."""

        def once() -> T:
            try:
                return ask()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.NOT_COORDINATOR:
                    self.renew()  # a client asks the coordinator that it once found, up to metadata.max.age.ms long
                raise

        return repeated(once, COORDINATOR_COMES, self._timeout_s)

    def _describe(self, group: str) -> Any:
        """Return the description of a group, None if it does not exist."""
        future = self._client.describe_consumer_groups([group], request_timeout=self._timeout_s)[group]
        return description_of(future, self._timeout_s)

    def _metadata(self) -> Any:
        """Return the cluster's metadata. Raises KafkaException (silence) if it names no broker: it is not current."""
        found = self._client.list_topics(timeout=self._timeout_s)
        if not found.brokers:
            raise KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN, "the metadata names no broker"))  # noqa: SLF001
        return found

    def _await(self, known: Callable[[], bool]) -> None:
        """Wait until the metadata shows the change, at most as long as for an answer."""
        wait_until(known, self._timeout_s, backoff_s=RETRY_S)

    def _offsets(
        self, topics: Iterable[str], spec: OffsetSpec, isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED
    ) -> dict[PartitionId, int]:
        names = list(topics)

        def ask() -> dict[PartitionId, int]:
            # Again each time: a topic that was just deleted is left out.
            wanted = {
                TopicPartition(topic, partition): spec
                for topic, count in self.partitions(names).items()
                for partition in range(count)
            }
            if not wanted:
                return {}
            futures = self._client.list_offsets(wanted, isolation_level=isolation, request_timeout=self._timeout_s)
            answers = {(p.topic, p.partition): answer_of(future, self._timeout_s) for p, future in futures.items()}
            found = {partition: answer.offset for partition, answer in answers.items()}
            if none := [partition for partition, offset in found.items() if offset < 0]:
                # Without an error: what librdkafka 2.16.1 returns for partitions whose leader is gone (-1001).
                words = f"no offset of {none[0][0]}-{none[0][1]}"
                raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE, words))
            return found

        return repeated(ask, LEADER_COMES, self._timeout_s)
