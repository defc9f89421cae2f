"""Committed offsets in the answers of groups' coordinators: what an answer lacks is an error, not an absent offset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from itertools import islice
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from cutover_harness.answer import answer_of, description_of
from cutover_harness.stale_metadata import sound
from cutover_harness.types import PartitionId

_AT_ONCE = 50


def ask_committed(client: AdminClient, groups: Iterable[str], timeout_s: float) -> dict[str, Future[Any]]:
    """Ask for the committed offsets of some groups, at the same time; return the answers by group.

    The groups are described first, immediately before: an answer that a coordinator has moved ends the process if it is
    one to a question about offsets (librdkafka 2.16.1: OffsetFetch of a client without a group), and is an error if it
    is one to this. So some groups are asked about at a time: the less can happen in between.
    """
    asked: dict[str, Future[Any]] = {}
    left = iter(groups)
    while names := list(islice(left, _AT_ONCE)):
        described = client.describe_consumer_groups(names, request_timeout=timeout_s)
        for name in names:
            try:
                description_of(described[name], timeout_s)
            except Exception as why:  # noqa: BLE001 - also an answer that cannot be used: `committed_in` says so
                asked[name] = Future()
                asked[name].set_exception(why)
            else:
                request = [ConsumerGroupTopicPartitions(name)]
                asked |= client.list_consumer_group_offsets(request, request_timeout=timeout_s)
    return asked


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
