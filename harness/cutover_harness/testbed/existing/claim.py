"""The claim of a run: a topic and a group member that live as long as the run, and show which rights are missing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from cutover_harness.admin import CLIENT_DEFAULTS, connect
from cutover_harness.answer import answer_of
from cutover_harness.closing import close_client
from cutover_harness.errors import in_one_line
from cutover_harness.periodic import Periodic
from cutover_harness.testbed.base import TestbedError
from cutover_harness.testbed.existing.remains import TIMEOUT_S, claim_of
from cutover_harness.topic_creation import create
from cutover_harness.types import ClusterName

NEEDED_ON_TOPICS = ("READ", "WRITE", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER", "ALTER_CONFIGS")
NEEDED_ON_GROUPS = ("READ", "DESCRIBE", "DELETE")
SESSION_S = 10.0
_POLL_S = 1.0
_AGAIN_S = 0.1
_JOINED_S = 60.0


def topic_of(prefix: str) -> str:
    """Return the claim's topic, which MirrorMaker 2 never mirrors."""
    return f"{prefix}claim.internal"


class Claim:
    """The claim of a run on both clusters; `allowed` is what the rights are granted for, the prefix of all runs.

    `take` creates a topic and a group on each of them, and `release` ends the group's member. Whoever finds the member
    knows that the run lives; a killed run has none after 10 s.
    """

    def __init__(self, clusters: Mapping[ClusterName, Mapping[str, str]], prefix: str, allowed: str) -> None:
        self._clusters = clusters
        self._prefix = prefix
        self._allowed = allowed
        self._consumers: list[Any] = []
        self._polling: Periodic | None = None

    def take(self) -> None:
        """Create topic and group. Raises UsageError that names the rights that are missing."""
        for name, config in self._clusters.items():
            client = connect({**CLIENT_DEFAULTS, **config})
            self._topic(name, client)
            self._join(name, config)
            self._group(name, client)
        self._polling = Periodic(self._poll, _POLL_S, "claim")
        self._polling.__enter__()

    def release(self) -> None:
        """Leave the groups; a second call does nothing. Raises TestbedError if the claim was not held all the time."""
        polling, self._polling = self._polling, None
        try:
            if polling is not None:
                polling.stop()
        except Exception as why:
            raise TestbedError(f"group {claim_of(self._prefix)} was not held until now: {in_one_line(why)}") from why
        finally:
            while self._consumers:
                close_client(self._consumers.pop())

    def _poll(self) -> None:
        for consumer in self._consumers:
            consumer.poll(0)

    def _topic(self, name: ClusterName, client: Any) -> None:
        topic = topic_of(self._prefix)
        try:
            create(client, [NewTopic(topic, num_partitions=1, replication_factor=-1)], TIMEOUT_S)
            allowed = _allowed(client, topic)
        except KafkaException as why:
            raise self._error(name, f"topic {topic} cannot be created: {why.args[0].str()}") from None
        self._require(name, "topics", NEEDED_ON_TOPICS, allowed)

    def _join(self, name: ClusterName, config: Mapping[str, str]) -> None:
        group = claim_of(self._prefix)
        consumer = Consumer(
            {
                **CLIENT_DEFAULTS,
                **config,
                "group.id": group,
                "client.id": group,
                "session.timeout.ms": int(SESSION_S * 1000),
                "enable.auto.commit": False,
            }
        )
        self._consumers.append(consumer)
        consumer.subscribe([topic_of(self._prefix)])
        deadline = time.monotonic() + _JOINED_S
        while not consumer.assignment():
            message = consumer.poll(0.1)
            error = None if message is None else message.error()
            if error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                self._require(name, "groups", NEEDED_ON_GROUPS[:1], [])
            if time.monotonic() > deadline:
                said = "" if error is None else f": {error.str()}"
                raise self._error(name, f"group {group} has no member after {_JOINED_S:.0f} s{said}")

    def _group(self, name: ClusterName, client: Any) -> None:
        group = claim_of(self._prefix)
        try:
            asked = client.describe_consumer_groups(
                [group], include_authorized_operations=True, request_timeout=TIMEOUT_S
            )
            allowed = _names(answer_of(asked[group], TIMEOUT_S).authorized_operations)
        except KafkaException as why:
            if why.args[0].code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
                raise self._error(name, f"group {group} cannot be described: {why.args[0].str()}") from None
            allowed = ["READ"]
        self._require(name, "groups", NEEDED_ON_GROUPS, allowed)

    def _require(self, name: ClusterName, what: str, needed: Sequence[str], allowed: Sequence[str]) -> None:
        if missing := [operation for operation in needed if operation not in allowed]:
            raise self._error(
                name,
                f"the user has no right to {', '.join(missing)} {what} that begin with {self._allowed}: grant it with "
                f"a prefixed ACL",
            )

    def _error(self, name: ClusterName, said: str) -> TestbedError:
        return TestbedError(f"{name} {self._clusters[name]['bootstrap.servers']}: {said}")


def _allowed(client: Any, topic: str) -> list[str]:
    """Return what the user may do with a topic; brokers hear of a new one a moment after the controller has it."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        asked = client.describe_topics(
            TopicCollection([topic]), include_authorized_operations=True, request_timeout=TIMEOUT_S
        )
        try:
            return _names(answer_of(asked[topic], TIMEOUT_S).authorized_operations)
        except KafkaException as why:
            if why.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART or time.monotonic() > deadline:
                raise
        time.sleep(_AGAIN_S)


def _names(operations: Sequence[AclOperation] | None) -> list[str]:
    """Return the names of the operations; brokers that do not report them allow, as far as is known, all."""
    if operations is None:
        return [*NEEDED_ON_TOPICS, *NEEDED_ON_GROUPS]
    return [operation.name for operation in operations]
