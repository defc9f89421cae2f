"""Calls that are repeated while leaders and coordinators move, restart or load: such an answer is no figure at all.

Without it a restarted broker, or one that has lost a partition, would have a cluster look as if it had no records left
to mirror, or no member in a group.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition

T = TypeVar("T")

# A coordinator that has just started, or become one, answers with these, for the group or for single partitions of a
# call that succeeds (KIP-709).
COORDINATOR_COMES = frozenset(
    {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE}
)
# Answers of a broker that does not know a new topic yet, or any topic after a restart; that does not lead the partition
# any more, or not yet; and of a new leader that does not know yet up to where its log is committed (KIP-207).
LEADER_COMES = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
    }
)
RETRY_S = 0.05


def repeated(ask: Callable[[], T], while_: frozenset[int], timeout_s: float) -> T:
    """Return the answer of `ask`, which is asked again as long as it raises KafkaException with one of these codes.

    Raises the last KafkaException after `timeout_s`, and any other immediately.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in while_ or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_S)


def sound(partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
    """Return the partitions of an answer. Raises KafkaException if one of them has an error, a lasting one first."""
    errors: list[Any] = [partition.error for partition in partitions if partition.error is not None]
    if errors:
        raise KafkaException(next((each for each in errors if each.code() not in COORDINATOR_COMES), errors[0]))
    return list(partitions)
