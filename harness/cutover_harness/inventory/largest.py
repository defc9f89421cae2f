"""The largest record among the newest ones of each topic."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import Message

from cutover_harness.headers import headers_or_none
from cutover_harness.inventory.calls import Calls
from cutover_harness.inventory.model import TopicEntry
from cutover_harness.inventory.records import RecordReader
from cutover_harness.inventory.writes import UNKNOWN, Offsets

LARGEST = "largest records"


def read_largest(
    calls: Calls,
    config: Mapping[str, str],
    topics: dict[str, TopicEntry],
    starts: Offsets,
    ends: Offsets,
    count: int,
) -> None:
    """Fill in the largest of the newest `count` records of each partition: key, value and headers, uncompressed."""

    def visit(message: Message) -> None:
        topic = topics[str(message.topic())]
        topic.largest_record = max(topic.largest_record or 0, size_of(message))

    ranges = {
        (name, number): (max(starts.of[name][number], end - count), end)
        for name, topic in topics.items()
        for number, end in enumerate(ends.of[name])
        if not topic.internal and UNKNOWN not in (end, starts.of[name][number])
    }
    RecordReader(calls, config, LARGEST, "grant Read on these topics", visit).read(ranges)


def size_of(message: Message) -> int:
    """Return the bytes of key, value and headers."""
    headers = sum(len(name) + len(value or b"") for name, value in headers_or_none(message) or ())
    return len(message.key() or b"") + len(message.value() or b"") + headers
