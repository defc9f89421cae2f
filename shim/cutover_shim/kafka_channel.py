"""A control topic: one partition, whose records with the key `cutover` are documents."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.cimpl import OFFSET_BEGINNING
from confluent_kafka.cimpl import Consumer as RawConsumer

from cutover_shim import codes, native
from cutover_shim.channel import KAFKA, Receiver
from cutover_shim.cutover_file import SENSITIVE, redacted

KEY = b"cutover"
GROUP = "cutover-shim"
"""The client requires the name of a group. No member joins it and nothing is committed."""
PROBE_S = 10.0
"""How often to ask whether the topic can be read: a cluster that hangs, or a topic that is deleted, is silent."""
_FIRST_PROBE_S = 0.5  # the client itself is silent about a missing topic for half a minute
_POLL_S = 0.25
_BATCH_BYTES = 4 << 20
"""Documents that are there at the start are passed on together, as far as they are not larger than this."""
_RETRY_S = 1.0
_TIMEOUT_S = 3.0
_MISSING = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})  # noqa: SLF001
_FORBIDDEN = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
# Without the right to describe the group, whose coordinator this consumer never needs.
_HARMLESS = frozenset({KafkaError.GROUP_AUTHORIZATION_FAILED})


class KafkaChannel:
    """Reads the control topic of one cluster, by assignment: no group is joined, nothing is committed.

    `conf`: the properties of address, login and encryption.
    """

    def __init__(self, topic: str, cluster: str, conf: Mapping[str, Any]) -> None:
        self.name = f"{KAFKA}{topic}@{cluster}"
        self._topic = topic
        self._conf = dict(conf)
        self._receiver: Receiver | None = None
        self._lock = native.RLock()
        self._consumer: Any = None
        self._history: list[bytes] | None = []  # documents until the topic's end was reached, then None
        self._size = 0
        self._end: int | None = None  # the topic's end when its first record was read

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KafkaChannel) and (self.name, self._conf) == (other.name, other._conf)

    def __hash__(self) -> int:
        return hash(self.name)

    def start(self, receiver: Receiver) -> None:
        """Read on a thread of its own, from the topic's beginning on."""
        self._receiver = receiver
        native.start_thread(self._run, "cutover-channel")

    def stop(self) -> None:
        """End the thread; the receiver is not called any more."""
        with self._lock:
            self._receiver = None

    def _pass_on(self, method: str, *args: Any, **kwargs: Any) -> None:
        with self._lock:
            if self._receiver is not None:
                getattr(self._receiver, method)(self.name, *args, **kwargs)

    def _run(self) -> None:
        while self._receiver is not None:
            try:
                self._read()
            except KafkaException as error:
                self._fail(error.args[0])
            except Exception as error:  # noqa: BLE001 - such as TypeError for a property: the thread must not end
                self._pass_on("failed", f"cannot be read: {type(error).__name__}", final=True)
            waited = time.monotonic() + _RETRY_S
            while self._receiver is not None and time.monotonic() < waited:
                native.sleep(0.05)

    def _fail(self, error: Any) -> None:
        code = error.code()
        if code in _MISSING:
            why, final = (
                "the topic does not exist, or READ on it is not granted: create it, compacted, with one partition",
                True,
            )
        elif code in _FORBIDDEN:
            why, final = "reading the topic is not allowed: grant READ and DESCRIBE on it", True
        elif code == codes.FAIL:
            why, final = error.str(), True
        elif code in codes.REFUSED:
            why, final = f"the cluster refuses the connection: {error.str()}", True
        else:
            why, final = f"cannot be read: {error.str()}", False
        secrets = [value for name, value in self._conf.items() if SENSITIVE.search(name) and isinstance(value, str)]
        self._pass_on("failed", redacted(why, filter(None, secrets)), final=final)

    def _read(self) -> None:
        """Read until stopped. Raises KafkaException if that cannot go on."""
        errors: list[Any] = []
        consumer = RawConsumer(
            {
                **self._conf,
                "group.id": GROUP,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                # Otherwise a transaction that somebody leaves open would hide all documents after it.
                "isolation.level": "read_uncommitted",
                "queued.max.messages.kbytes": 2 * _BATCH_BYTES >> 10,
                "error_cb": errors.append,
                "log_level": 0,
            }
        )
        self._consumer = consumer  # so that a forked child can keep it: see watch.py
        try:
            consumer.assign([TopicPartition(self._topic, 0, OFFSET_BEGINNING)])
            self._pass_on("begins")
            self._follow(consumer, errors)
        finally:
            self._consumer = None
            consumer.close()

    def _follow(self, consumer: Any, errors: list[Any]) -> None:
        """Pass on every document; those that are there already once the topic has turned out to be a control topic."""
        self._history, self._size, self._end = [], 0, None
        probe = time.monotonic() + _FIRST_PROBE_S
        while self._receiver is not None:
            message = consumer.poll(_POLL_S)
            if message is None:
                self._heed(errors)
                if time.monotonic() >= probe:
                    probe = time.monotonic() + PROBE_S
                    self._probe(consumer)
            elif message.error() is None:
                self._take(consumer, message)
            elif message.error().code() == codes.PARTITION_EOF:
                self._reached_end(consumer)
            elif message.error().code() not in _HARMLESS:
                raise KafkaException(message.error())

    def _take(self, consumer: Any, message: Any) -> None:
        content = message.value() or b""
        if self._history is None:
            if message.key() == KEY:
                self._pass_on("document", content)
            return
        if message.key() == KEY:
            self._history.append(content)
            self._size += len(content)
            if self._size > _BATCH_BYTES:
                self._deliver(consumer)
        # A topic that is written all the time has no end that could be reached but the one of now.
        if self._end is None:
            self._end = consumer.get_watermark_offsets(TopicPartition(self._topic, 0), cached=True)[1]
        if 0 < self._end <= message.offset() + 1:
            self._reached_end(consumer)

    def _reached_end(self, consumer: Any) -> None:
        if self._history is not None:
            self._deliver(consumer)
            self._history = None
            self._pass_on("complete")

    def _deliver(self, consumer: Any) -> None:
        self._refuse_partitions(consumer)
        for content in self._history or ():
            self._pass_on("document", content)
        self._history, self._size = [], 0

    def _heed(self, errors: list[Any]) -> None:
        """Report what the client passes to its error callback only: it retries for ever."""
        taken = [error for error in errors if error.code() not in _HARMLESS]
        errors.clear()
        if taken:
            # A refused login explains more than the connection that is closed because of it.
            self._fail(next((error for error in taken if error.code() in codes.REFUSED), taken[-1]))

    def _probe(self, consumer: Any) -> None:
        try:
            consumer.get_watermark_offsets(TopicPartition(self._topic, 0), timeout=_TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() in _MISSING:
                raise  # begin again: the topic may be recreated
            self._fail(error.args[0])
        else:
            self._pass_on("works")

    def _refuse_partitions(self, consumer: Any) -> None:
        # By name only now that the topic is known to exist: a broker may create what it is asked for.
        found = consumer.list_topics(self._topic, timeout=_TIMEOUT_S).topics[self._topic]
        if found.error is None and len(found.partitions) > 1:
            raise codes.error(codes.FAIL, f"it has {len(found.partitions)} partitions, and a control topic has one")
