"""Errors among consumed messages: ends of logs, missing records, and errors that end a recording."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import is_not
from typing import cast

from confluent_kafka import KafkaError, Message

from cutover_harness.capture.format import CaptureError
from cutover_harness.types import PartitionId

_HARMLESS = {
    # From the client itself, about a group that it never joins.
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._WAIT_COORD,  # noqa: SLF001 - the client's names for its own codes
    KafkaError._TRANSPORT,  # noqa: SLF001 - it reconnects; a broker that stays away is noticed as silence
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    # A topic was deleted or just created: the watch finds out which.
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    KafkaError.UNKNOWN_TOPIC_ID,
}


def without_errors(
    messages: Sequence[Message],
) -> tuple[Sequence[Message], dict[PartitionId, int], set[PartitionId]]:
    """Return the records among `messages`, the ends of logs, and the partitions whose next record is missing.

    Raises CaptureError for an error that does not pass.
    """
    errors = list(map(Message.error, messages))
    if not any(map(is_not, errors, repeat(None))):  # by identity: the client's errors cannot be compared with None
        return messages, {}, set()
    ends, lost = _ends_of_log(messages)
    return [m for m, error in zip(messages, errors, strict=True) if error is None], ends, lost


def _ends_of_log(messages: Sequence[Message]) -> tuple[dict[PartitionId, int], set[PartitionId]]:
    """Return the end offset of each partition read to its end, and the partitions whose next record is missing.

    Raises CaptureError for other errors.
    """
    ends: dict[PartitionId, int] = {}
    lost: set[PartitionId] = set()
    for message in messages:
        error = message.error()
        if error is None:
            continue
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's name
            ends[cast("PartitionId", (message.topic(), message.partition()))] = cast("int", message.offset())
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - the client's name
            lost.add(cast("PartitionId", (message.topic(), message.partition())))
        else:
            check(error)
    return ends, lost


def check(error: KafkaError) -> None:
    """Raise CaptureError for an error that does not pass."""
    if error.code() not in _HARMLESS:
        raise CaptureError(f"reading: {error.str()}; the records so far are kept, continue with --resume")
