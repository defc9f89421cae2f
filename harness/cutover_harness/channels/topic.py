"""A control topic as a channel: compacted, with one partition, whose records with the key `cutover` are documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from cutover_shim.codes import INVALID_ARG, MSG_TIMED_OUT, REFUSED
from cutover_shim.cutover_file import MAX_BYTES
from cutover_shim.kafka_channel import KEY

from cutover_harness.admin import CLIENT_DEFAULTS, NO_ID, Admin
from cutover_harness.channels.base import ChannelError, OvertakenError
from cutover_harness.channels.control_log import ControlLog
from cutover_harness.channels.names import TopicName
from cutover_harness.mirror.client_properties import librdkafka
from cutover_harness.mirror.errors import MirrorError

_ANSWER_S = 5.0
"""How long a cluster may take to answer, and to store a document."""
_MOST_REPLICAS = 3
_FORBIDDEN = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
_FINAL = _FORBIDDEN | REFUSED | {KafkaError.MSG_SIZE_TOO_LARGE, INVALID_ARG}
_GRANT = ": grant Read, Write, Describe and DescribeConfigs on the topic, and Create if it is missing"
_REPLICATION_REFUSED = frozenset({KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.POLICY_VIOLATION})


class TopicWriter:
    """Writes the control topic `name.topic` on the cluster with these librdkafka properties.

    keys: those of the documents' signatures; a record that they do not verify is no other writer's document. redact:
    removes secret values from the client's messages. create: whether to create the topic if it is missing.
    """

    def __init__(
        self,
        name: TopicName,
        config: Mapping[str, str],
        *,
        keys: Sequence[bytes] = (),
        redact: Callable[[str], str] = lambda text: text,
        create: bool = True,
    ) -> None:
        self.name = str(name)
        self._topic = name.topic
        self._config = {**CLIENT_DEFAULTS, **librdkafka(config)}
        self._config.pop("transactional.id", None)
        self._redact, self._create = redact, create
        self._log = ControlLog(name.cluster or "named", name.topic, self._config, keys)
        self._admin: Admin | None = None
        self._producer: Producer | None = None
        self._heard: list[KafkaError] = []

    def read(self) -> str | None:
        """Return the document that applications have in force, None if there is none. Raises ChannelError.

        That need not be the newest record: what applications refuse, such as a forged or older document, is left out if
        they have accepted another one before.
        """
        with self._errors():
            if self._exists():
                self._log.scan()
            elif not self._create:
                raise self._missing()
            return self._in_force()

    @property
    def newest(self) -> str | None:
        """The content of the newest record, None for a tombstone or no record, as `read` has found it."""
        return self._log.newest

    @property
    def signed(self) -> bool:
        """Whether a record has a signature, whichever key has made it, as `read` has found it."""
        return self._log.signed

    def write(self, text: str, *, replaces: str | None) -> None:
        """Append `text`; return when all in-sync replicas have it and it was read back at its offset.

        Nothing prevents two writers from appending at the same time. Of two documents of one generation the first one
        counts: the writer of the second one appends the first one again, for readers of the newest record, and raises
        OvertakenError.
        """
        log = self._log
        with self._errors():
            if not self._exists():
                self._make()
            log.scan()
            if log.newest == text:
                self._producing().list_topics(self._topic, _ANSWER_S)  # a new producer takes half a second: now
                return
            if log.best is not None and log.best.text not in (replaces, text):
                raise OvertakenError(f"{self.name}: its content has changed since it was read")
            offset = self._append(text)
            read = log.scan()
            mine = next((each for each in read if each.offset == offset and each.text == text), None)
            if mine is None:
                raise ChannelError(f"{self.name}: offset {offset}, which was acknowledged, does not have the document")
            if (first := next((e for e in read if e.offset < offset and e.preferred_to(mine)), None)) is not None:
                self._append(first.text)
                log.scan()
                raise OvertakenError(f"{self.name}: another writer's document arrived first, and was restored")

    def close(self) -> None:
        """Close the clients."""
        self._log.close()
        self._admin = self._producer = None

    def _in_force(self) -> str | None:
        return self._log.newest if self._log.best is None else self._log.best.text

    def _client(self) -> Admin:
        if self._admin is None:
            self._admin = Admin(self._config, timeout_s=_ANSWER_S)
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
                    "message.timeout.ms": int(_ANSWER_S * 1000),
                    "error_cb": self._heard.append,
                    "log_level": 0,
                }
            )
        return self._producer

    def _append(self, text: str) -> int:
        """Append a document and return its offset. Raises KafkaException."""
        producer = self._producing()
        reports: list[tuple[KafkaError | None, int]] = []

        def report(error: KafkaError | None, message: Message) -> None:
            reports.append((error, -1 if error is not None else message.offset() or 0))

        content = text.encode(errors="surrogateescape")
        producer.produce(self._topic, content, KEY, partition=0, on_delivery=report)
        try:
            producer.flush(2 * _ANSWER_S)
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
