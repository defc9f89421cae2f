"""A control topic: compacted, with one partition; creating it, and appending records to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from cutover_shim.codes import INVALID_ARG, MSG_TIMED_OUT, REFUSED
from cutover_shim.cutover_file import MAX_BYTES

from cutover_harness.admin import CLIENT_DEFAULTS, NO_ID, Admin
from cutover_harness.channels.base import ChannelError
from cutover_harness.channels.control_log import TopicLog
from cutover_harness.channels.names import TopicName
from cutover_harness.mirror.client_properties import librdkafka
from cutover_harness.mirror.errors import MirrorError

ANSWER_S = 5.0
"""How long a cluster may take to answer, and to store a document."""
_MOST_REPLICAS = 3
_FORBIDDEN = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
_FINAL = _FORBIDDEN | REFUSED | {KafkaError.MSG_SIZE_TOO_LARGE, INVALID_ARG}
_GRANT = ": grant Read, Write, Describe and DescribeConfigs on the topic, and Create if it is missing"
_REPLICATION_REFUSED = frozenset({KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.POLICY_VIOLATION})
Log = TypeVar("Log", bound=TopicLog)


def properties_of(config: Mapping[str, str]) -> dict[str, str]:
    """Return the properties of the clients of a control topic on the cluster with these librdkafka properties."""
    found = {**CLIENT_DEFAULTS, **librdkafka(config)}
    found.pop("transactional.id", None)
    return found


class ControlTopic(Generic[Log]):
    """The topic `name.topic` with the log of records that are read.

    redact: removes secret values from the client's messages. create: whether to create the topic if it is missing.
    """

    def __init__(
        self,
        name: TopicName,
        config: Mapping[str, str],
        log: Log,
        *,
        redact: Callable[[str], str] = lambda text: text,
        create: bool = True,
    ) -> None:
        self.name, self.topic_name = str(name), name
        self._topic = name.topic
        self.config = self._config = properties_of(config)
        self.redact = self._redact = redact
        self._create, self._log = create, log
        self._admin: Admin | None = None
        self._producer: Producer | None = None
        self._heard: list[KafkaError] = []

    def close(self) -> None:
        """Close the clients."""
        self._log.close()
        self._admin = self._producer = None

    def _client(self) -> Admin:
        if self._admin is None:
            self._admin = Admin(self._config, timeout_s=ANSWER_S)
        return self._admin

    def _exists(self) -> bool:
        """Return whether the topic exists. Raises ChannelError if it cannot be a control topic."""
        found = self._client().describe_topic(self._topic)
        if found is None:
            return False
        topic_id, partitions = found
        if partitions != 1:
            raise ChannelError(
                f"{self.name}: has {partitions} partitions, and a control topic has one, so that documents have an "
                f"order: name another topic",
                final=True,
            )
        if topic_id != self._log.topic_id or (topic_id in NO_ID and self._is_shorter()):
            policy = self._client().topic_configs([self._topic])[self._topic].get("cleanup.policy", "")
            if policy != "compact":
                raise ChannelError(
                    f"{self.name}: has cleanup.policy={policy}, with which its document is deleted some day: set "
                    f"cleanup.policy=compact",
                    final=True,
                )
            self._log.restart(topic_id)
        return True

    def _is_shorter(self) -> bool:
        """Return whether the log ends before what was read: without topic ids only this shows a recreated topic."""
        end = self._client().end_offsets([self._topic]).get((self._topic, 0))
        return end is not None and end < self._log.read_to

    def _make(self) -> None:
        """Create the topic, with three replicas if there are three brokers and the cluster accepts it."""
        if not self._create:
            raise self._missing()
        admin = self._client()
        for replication in (min(_MOST_REPLICAS, admin.brokers()), -1):
            try:
                admin.create_topics({self._topic: 1}, {"cleanup.policy": "compact"}, replication=replication)
            except KafkaException as why:
                code = why.args[0].code()
                if code in _REPLICATION_REFUSED and replication > 0:
                    continue
                if code != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
            break
        self._exists()

    def _producing(self) -> Producer:
        if self._producer is None:
            self._heard.clear()
            self._producer = Producer(
                {
                    **self._config,
                    "acks": "all",
                    "enable.idempotence": True,
                    "linger.ms": 0,
                    "message.max.bytes": 4 * MAX_BYTES,
                    "message.timeout.ms": int(ANSWER_S * 1000),
                    "error_cb": self._heard.append,
                    "log_level": 0,
                }
            )
        return self._producer

    def _append(self, text: str) -> int:
        """Append a record with the key of the log and return its offset. Raises KafkaException."""
        producer = self._producing()
        reports: list[tuple[KafkaError | None, int]] = []

        def report(error: KafkaError | None, message: Message) -> None:
            reports.append((error, -1 if error is not None else message.offset() or 0))

        content = text.encode(errors="surrogateescape")
        producer.produce(self._topic, content, self._log.key, partition=0, on_delivery=report)
        try:
            producer.flush(2 * ANSWER_S)
        except SystemError as why:  # the client raises a fatal error, and runs callbacks nevertheless
            if not isinstance(why.__cause__, KafkaException):
                raise
            raise why.__cause__ from None
        error, offset = reports[0] if reports else (KafkaError(MSG_TIMED_OUT), -1)
        if error is not None:
            # A refusal, of which the report says only that it was fatal, or that there was no answer.
            raise KafkaException(next((heard for heard in self._heard if heard.code() in _FINAL), error))
        return offset

    def _missing(self) -> ChannelError:
        return ChannelError(f"{self.name}: the topic does not exist: create it, or check the name", final=True)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise ChannelError if the cluster refuses or does not answer; new clients are used after that."""
        try:
            yield
        except KafkaException as why:
            self.close()
            error = why.args[0]
            words = self._redact(error.str())
            if error.code() in _FORBIDDEN:
                words += _GRANT
            elif error.code() == INVALID_ARG:
                words += ": check the properties of the cluster"
            raise ChannelError(f"{self.name}: {words}", final=error.code() in _FINAL) from None
        except MirrorError as why:
            self.close()
            forbidden = "TOPIC_AUTHORIZATION_FAILED" in str(why)
            words = self._redact(f"{self.name}: {why}") + (_GRANT if forbidden else "")
            raise ChannelError(words, final=forbidden) from None
