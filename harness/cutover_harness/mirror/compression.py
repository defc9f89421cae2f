"""Whether a topic's records are compressed: bytes over the wire against bytes of records."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from cutover_harness.admin import CLIENT_DEFAULTS
from cutover_harness.closing import close_client
from cutover_harness.mirror.client_properties import librdkafka
from cutover_harness.types import PartitionId

_STATISTICS_MS = 50
_TOPIC_LIMIT_S = 3.0
_TOPICS = 20
_PARTITIONS = 3
_LEAST_BYTES = 1000
_COMPRESSED_BELOW = 0.9


def any_compressed(
    config: Mapping[str, str], topics: Iterable[str], starts: Mapping[PartitionId, int], ends: Mapping[PartitionId, int]
) -> bool:
    """Return whether records of one of `topics`, on the cluster with these properties, are compressed.

    The beginnings of the logs are sampled, because the mirror begins there, in the 20 topics with the longest logs.
    """
    lengths = {p: end - starts.get(p, 0) for p, end in ends.items() if end > starts.get(p, 0)}
    totals = {topic: sum(n for (name, _), n in lengths.items() if name == topic) for topic in set(topics)}
    longest = sorted((t for t, n in totals.items() if n), key=lambda topic: (-totals[topic], topic))[:_TOPICS]
    for topic in longest:
        chosen = sorted((p for p in lengths if p[0] == topic), key=lambda p: (-lengths[p], p))[:_PARTITIONS]
        wire, content = _sample(config, [TopicPartition(t, n, starts.get((t, n), 0)) for t, n in chosen])
        if content >= _LEAST_BYTES and wire < _COMPRESSED_BELOW * content:
            return True
    return False


def _sample(config: Mapping[str, str], partitions: Sequence[TopicPartition]) -> tuple[int, int]:
    """Return bytes received and bytes of keys and values in them, after the last ones have arrived."""
    seen: list[tuple[int, int]] = []
    consumer = Consumer(
        {
            **CLIENT_DEFAULTS,
            **librdkafka(config),
            "group.id": "kafka-cutover-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "statistics.interval.ms": _STATISTICS_MS,
            "stats_cb": lambda text: seen.append(_received(json.loads(text))),
            # A few hundred kilobytes are enough, and the client stops by itself when it has them.
            "queued.min.messages": 1000,
            "queued.max.messages.kbytes": 1024,
        }
    )
    try:
        consumer.list_topics(timeout=_TOPIC_LIMIT_S)
        consumer.poll(2 * _STATISTICS_MS / 1000)
        before = seen[-1][0] if seen else 0
        consumer.assign(list(partitions))
        deadline = time.monotonic() + _TOPIC_LIMIT_S
        while time.monotonic() < deadline:
            consumer.poll(_STATISTICS_MS / 1000)
            if len(seen) > 2 and seen[-1][1] and seen[-1][1] == seen[-2][1] == seen[-3][1]:
                break
    except KafkaException:
        return 0, 0  # a caller that needs the cluster reports the error
    finally:
        close_client(consumer)
    wire, content = seen[-1] if seen else (0, 0)
    return wire - before, content


def _received(statistics: Mapping[str, Any]) -> tuple[int, int]:
    """Return bytes received from brokers, and bytes of messages, of the client's statistics."""
    wire = sum(broker["rxbytes"] for broker in statistics.get("brokers", {}).values())
    topics = statistics.get("topics", {}).values()
    return wire, sum(partition["rxbytes"] for topic in topics for partition in topic["partitions"].values())
