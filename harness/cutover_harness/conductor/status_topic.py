"""Statuses on a topic of the source cluster: the last record of each key is the status of the client with that name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from cutover_shim import config
from cutover_shim.codes import PARTITION_EOF, REFUSED

from cutover_harness.admin import CLIENT_DEFAULTS
from cutover_harness.closing import close_client
from cutover_harness.conductor.statuses import TOPIC, Content, parsed

GROUP = "kafka-cutover-statuses"
"""The client requires the name of a group. No member joins it and nothing is committed."""
_ANSWER_S = 3.0
"""How long the cluster may take to answer, and how long to wait for the next record before a read is given up."""
_PROBE_S = 5.0
"""How long nothing may arrive before the cluster is asked: clients write every second."""
_BATCH = 2000
# Without the right to describe the group, whose coordinator this consumer never needs.
_HARMLESS = frozenset({KafkaError.GROUP_AUTHORIZATION_FAILED})


class TopicStatuses:
    """Follows a topic, compacted or not, from its beginning on, as no member of any group. Not thread-safe.

    A read returns what was there at a moment after it began, on all partitions, or else what the last such read
    returned: records that are caught up with after a while are never taken for new ones.
    """

    def __init__(self, topic: str, source: Mapping[str, Any], redact: Callable[[str], str] = str) -> None:
        self.name = f"{TOPIC}{topic}"
        self.problem: str | None = None
        self._redact = redact
        self._topic = topic
        self._conf: dict[str, Any] = {
            **CLIENT_DEFAULTS,
            **{name: value for name, value in config.connection(source).items() if name != "client.id"},
            "group.id": GROUP,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
            "fetch.error.backoff.ms": 50,
            "error_cb": self._heed,
        }
        self._consumer: Consumer | None = None
        self._refused: str | None = None
        self._retry_at = self._probe_at = 0.0
        self._positions: dict[int, int] = {}
        self._at_end: set[int] = set()
        self._newest: dict[str, tuple[int, int, bytes]] = {}  # by key: partition, time in milliseconds, value
        self._parsed: dict[str, tuple[bytes, Content]] = {}
        self._published: dict[str, Content] = {}

    def read(self) -> Mapping[str, Content]:
        """Return the last status of each client."""
        try:
            if self._consumer is None and not self._open():
                return self._published
            if self._catch_up():
                self._published, self.problem, self._refused = self._statuses(), None, None
            else:
                self.problem = self._refused or f"the cluster did not answer within {_ANSWER_S:.0f} s"
            self._probe()
        except KafkaException as error:
            self._failed(error.args[0])
        return self._published

    def close(self) -> None:
        """Close the client."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            close_client(consumer)

    # -- the client --------------------------------------------------------------------------------------------------

    def _open(self) -> bool:
        """Read all partitions, from where they were read to; return whether that was possible. Raises KafkaException.

        The names of all topics are asked for, because a broker may create a topic that it is asked for by name.
        """
        if time.monotonic() < self._retry_at:
            return False
        self._retry_at = time.monotonic() + _ANSWER_S
        self._consumer = consumer = Consumer(self._conf)
        found = consumer.list_topics(timeout=_ANSWER_S).topics.get(self._topic)
        if found is None or found.error is not None:
            self.problem = "the topic does not exist, or may not be described: create it, compacted, or grant DESCRIBE"
            self.close()
            return False
        self._at_end.clear()
        self._probe_at = time.monotonic() + _PROBE_S
        consumer.assign(
            [TopicPartition(self._topic, p, self._positions.setdefault(p, OFFSET_BEGINNING)) for p in found.partitions]
        )
        return True

    def _heed(self, error: KafkaError) -> None:
        """Take note of a refusal that the client passes to its error callback only: it retries for ever."""
        if error.code() in REFUSED:
            self._refused = f"the cluster refuses the connection: {self._redact(error.str())}"

    def _probe(self) -> None:
        """Ask the cluster if nothing has arrived for a while. Raises KafkaException if it does not answer.

        Then a new client is used: one that was connected to a fenced broker may have no broker left.
        """
        if self._consumer is None or time.monotonic() < self._probe_at:
            return
        self._probe_at = time.monotonic() + _PROBE_S
        self._consumer.get_watermark_offsets(TopicPartition(self._topic, min(self._positions)), timeout=_ANSWER_S)

    def _failed(self, error: KafkaError) -> None:
        if self._consumer is not None:
            with suppress(KafkaException):
                self._consumer.poll(0)  # calls `_heed`
        self.problem = self._refused or f"cannot be read: {self._redact(error.str())}"
        self.close()

    # -- reading -----------------------------------------------------------------------------------------------------

    def _catch_up(self) -> bool:
        """Read until every partition's end has been reached since this call; return whether it was. Raises."""
        assert self._consumer is not None  # noqa: S101 - `read` opens it
        everyone, done = set(self._positions), set(self._at_end)
        ended: set[int] = set()
        deadline = time.monotonic() + _ANSWER_S
        while True:
            messages = self._consumer.consume(_BATCH, 0.0 if everyone <= done else 0.05)
            for message in messages:
                number = int(message.partition() or 0)
                if number not in done:
                    deadline = time.monotonic() + _ANSWER_S
                if self._is_end(message):
                    self._at_end.add(number)
                    ended.add(number)
                elif message.error() is None:
                    self._at_end.discard(number)
                    self._take(number, message)
            done = self._at_end | ended
            if messages:
                self._probe_at = time.monotonic() + _PROBE_S
            elif everyone <= done:
                return True
            if everyone <= ended or time.monotonic() > deadline:
                return everyone <= done

    def _is_end(self, message: Message) -> bool:
        """Return whether the message says that a partition's end was reached. Raises KafkaException for an error."""
        error = message.error()
        if error is None:
            return False
        if error.code() == PARTITION_EOF:
            return True
        if error.code() not in _HARMLESS:
            raise KafkaException(error)
        return False

    def _take(self, number: int, message: Message) -> None:
        self._positions[number] = int(message.offset() or 0) + 1
        try:
            key = (message.key() or b"").decode()
        except UnicodeDecodeError:
            return
        at = message.timestamp()[1]
        before = self._newest.get(key)
        if before is not None and before[0] != number and before[1] > at:
            return  # of the time before the topic got more partitions, which has moved its key to another one
        value = message.value()
        if value is None:  # the client was removed
            self._newest.pop(key, None)
            self._parsed.pop(key, None)
        else:
            self._newest[key] = (number, at, value)

    def _statuses(self) -> dict[str, Content]:
        for key, (_, _, value) in self._newest.items():
            known = self._parsed.get(key)
            if known is None or known[0] is not value:
                try:
                    status = parsed(value)
                except ValueError:
                    status = None
                # What is no status of the client with this name does not replace the one before, which gets silent.
                if status is not None and status["instance"] == key:
                    self._parsed[key] = (value, status)
        return {key: status for key, (_, status) in self._parsed.items()}
