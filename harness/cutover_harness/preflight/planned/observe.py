"""Ask a cluster what a principal may do, without a write: authorized operations (KIP-430) and calls that only validate.

A topic that does not exist has no authorized operations. But Kafka checks the right before it looks for the topic, so
that the error of a call which could change nothing tells whether the right is there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from cutover_harness.answer import answer_of
from cutover_harness.inventory.broker_calls import BrokerCallError, BrokerCalls
from cutover_harness.inventory.calls import TIMEOUT_S, Calls
from cutover_harness.inventory.completeness import kind_of
from cutover_harness.preflight.planned.acl_rules import Answer
from cutover_harness.preflight.planned.needs import CLUSTER_NAME, Operation, Resource

Observed = dict[tuple[Resource, Operation], Answer]
Wanted = Mapping[str, Collection[Operation]]
"""The operations that are wanted on resources of one kind, by name."""
_SLICE = 200
_O = Operation
# What a right that is missing implies: these operations bring Describe along.
_WITH_DESCRIBE = (_O.DESCRIBE, _O.READ, _O.WRITE, _O.DELETE, _O.ALTER)
# Errors about the topic or the request, which a broker finds after it has checked the right.
_CHECKED_LATER = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_ALREADY_EXISTS,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_CONFIG,
        KafkaError.POLICY_VIOLATION,
    }
)
_MANY_PARTITIONS = 100_000
"""The most that the client allows, and more than a topic has; the request only validates."""


def observe(
    calls: Calls, brokers: BrokerCalls | None, broker: int, wanted: Iterable[tuple[Resource, Operation]]
) -> Observed:
    """Return what the cluster answers about the rights that are wanted; `broker`: any one of it."""
    operations: dict[Resource, set[Operation]] = {}
    for resource, operation in wanted:
        operations.setdefault(resource, set()).add(operation)
    found: Observed = {}
    topics = {each.name: its for each, its in operations.items() if each.kind == "TOPIC"}
    groups = {each.name: its for each, its in operations.items() if each.kind == "GROUP"}
    for names in calls.slices(topics, _SLICE, "rights on topics", len(topics)):
        absent, hidden = _existing_topics(calls, names, topics, found)
        _other_topics(calls, brokers, broker, absent + hidden, topics, found)
    for names in calls.slices(groups, _SLICE, "rights on groups", len(groups)):
        _groups(calls, names, groups, found)
    whole = operations.get(Resource("CLUSTER", CLUSTER_NAME))
    if whole:
        _cluster(calls, whole, found)
    return found


def _existing_topics(
    calls: Calls, names: Sequence[str], wanted: Wanted, found: Observed
) -> tuple[list[str], list[str]]:
    """Note the operations on topics that exist; return those that do not, and those that may not be described."""
    absent, hidden = [], []
    calls.wait()
    asked = TopicCollection(list(names))
    futures = calls.client.describe_topics(asked, include_authorized_operations=True, request_timeout=TIMEOUT_S)
    for name, future in futures.items():
        described, error = _outcome(future)
        if described is not None and described.authorized_operations is not None:
            _note_all(Resource("TOPIC", name), described.authorized_operations, wanted[name], found)
            found[Resource("TOPIC", name), _O.CREATE] = Answer.NOT_NEEDED
        elif _forbidden(error):
            hidden.append(name)
            for operation in _WITH_DESCRIBE:
                found[Resource("TOPIC", name), operation] = Answer.MISSING
        elif error is not None and error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            absent.append(name)
            found[Resource("TOPIC", name), _O.DESCRIBE] = Answer.GRANTED
    return absent, hidden


def _other_topics(
    calls: Calls,
    brokers: BrokerCalls | None,
    broker: int,
    names: Sequence[str],
    wanted: Wanted,
    found: Observed,
) -> None:
    """Note the operations on topics that do not exist, or that do not appear to."""

    def needing(operation: Operation) -> list[str]:
        return [n for n in names if operation in wanted[n] and (Resource("TOPIC", n), operation) not in found]

    client = calls.client
    config = ConfigResource.Type.TOPIC
    if chosen := needing(_O.CREATE):
        new = [NewTopic(name, 1, -1) for name in chosen]
        _note(calls, _O.CREATE, client.create_topics(new, operation_timeout=TIMEOUT_S, validate_only=True), found)
    if chosen := needing(_O.DESCRIBE_CONFIGS):
        asked = [ConfigResource(config, name) for name in chosen]
        _note(calls, _O.DESCRIBE_CONFIGS, client.describe_configs(asked, request_timeout=TIMEOUT_S), found)
    if chosen := needing(_O.ALTER_CONFIGS):
        entry = ConfigEntry("retention.ms", "604800000", incremental_operation=AlterConfigOpType.SET)
        asked = [ConfigResource(config, name, incremental_configs=[entry]) for name in chosen]
        futures = client.incremental_alter_configs(asked, request_timeout=TIMEOUT_S, validate_only=True)
        _note(calls, _O.ALTER_CONFIGS, futures, found)
    if chosen := needing(_O.ALTER):
        more = [NewPartitions(name, _MANY_PARTITIONS) for name in chosen]
        _note(calls, _O.ALTER, client.create_partitions(more, operation_timeout=TIMEOUT_S, validate_only=True), found)
    if brokers is not None and (chosen := needing(_O.READ)):
        _read(calls, brokers, broker, chosen, found)


def _read(calls: Calls, brokers: BrokerCalls, broker: int, names: Sequence[str], found: Observed) -> None:
    """Note Read, which DescribeProducers needs (KIP-664)."""
    calls.wait()
    try:
        _, errors = brokers.producers(broker, [(name, 0) for name in names])
    except BrokerCallError:
        return
    for (name, _), error in errors.items():
        if error.kind == "forbidden":
            found[Resource("TOPIC", name), _O.READ] = Answer.MISSING
        elif "unknown topic" in str(error) or "leader" in str(error):
            found[Resource("TOPIC", name), _O.READ] = Answer.GRANTED


def _groups(calls: Calls, names: Sequence[str], wanted: Wanted, found: Observed) -> None:
    """Note the operations on groups; a coordinator answers for one that does not exist as for an empty one."""
    calls.wait(2 * len(names))
    futures = calls.client.describe_consumer_groups(
        list(names), include_authorized_operations=True, request_timeout=TIMEOUT_S
    )
    for name, future in futures.items():
        described, error = _outcome(future)
        if described is not None and described.authorized_operations is not None:
            _note_all(Resource("GROUP", name), described.authorized_operations, wanted[name], found)
        elif _forbidden(error):
            for operation in (_O.DESCRIBE, _O.READ):
                found[Resource("GROUP", name), operation] = Answer.MISSING


def _cluster(calls: Calls, wanted: Collection[Operation], found: Observed) -> None:
    """Note the operations on the cluster. The client reports no right at all like a broker that does not tell."""
    calls.wait()
    asked = calls.client.describe_cluster(include_authorized_operations=True, request_timeout=TIMEOUT_S)
    described, _ = _outcome(asked)
    if described is not None:
        _note_all(Resource("CLUSTER", CLUSTER_NAME), described.authorized_operations or [], wanted, found)


def _note_all(resource: Resource, granted: Iterable[Any], wanted: Collection[Operation], found: Observed) -> None:
    """Note the operations that are wanted: others may not exist for the resource, which even a super user lacks."""
    names = {operation.name for operation in granted}
    for operation in wanted:
        found[resource, operation] = Answer.GRANTED if operation in names else Answer.MISSING


def _note(calls: Calls, operation: Operation, futures: Mapping[Any, Future[Any]], found: Observed) -> None:
    """Note an operation by the errors of calls that only validate."""
    calls.wait()
    for key, future in futures.items():
        _, error = _outcome(future)
        name = key if isinstance(key, str) else key.name
        if _forbidden(error):
            found[Resource("TOPIC", name), operation] = Answer.MISSING
        elif error is None or (isinstance(error, KafkaException) and error.args[0].code() in _CHECKED_LATER):
            found[Resource("TOPIC", name), operation] = Answer.GRANTED


def _outcome(future: Future[Any]) -> tuple[Any, BaseException | None]:
    try:
        return answer_of(future, TIMEOUT_S), None
    except KafkaException as error:
        return None, error


def _forbidden(error: BaseException | None) -> bool:
    return error is not None and kind_of(error) == "forbidden"
