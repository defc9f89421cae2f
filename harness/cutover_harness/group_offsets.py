"""Committed offsets in the answers of groups' coordinators: what an answer lacks is an error, not an absent offset."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from cutover_harness.answer import answer_of
from cutover_harness.stale_metadata import sound
from cutover_harness.types import PartitionId


def committed_in(futures: Mapping[str, Future[Any]], group: str, timeout_s: float) -> dict[PartitionId, int]:
    """Return the offsets that a group has committed. futures: of `list_consumer_group_offsets`, by group.

    Raises KafkaException if there is no answer about the group within `timeout_s`, if it cannot be used, as one that is
    cut off, or if it has an error for a partition.
    """
    try:
        partitions = sound(answer_of(futures[group], timeout_s).topic_partitions or [])
        return {(each.topic, each.partition): each.offset for each in partitions if each.offset >= 0}
    except KafkaException:
        raise
    except Exception as why:
        raise _error(KafkaError._BAD_MSG, "the answer cannot be used, look at the broker's log") from why  # noqa: SLF001


def _error(code: int, text: str) -> KafkaException:
    return KafkaException(KafkaError(code, text))
