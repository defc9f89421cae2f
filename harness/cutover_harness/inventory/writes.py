"""First and last write of each topic, and its growth during a sample."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from cutover_harness.features import served_versions
from cutover_harness.inventory.calls import TIMEOUT_S, Calls
from cutover_harness.inventory.model import TopicEntry
from cutover_harness.inventory.topics import Layout
from cutover_harness.types import PartitionId

_SLICE = 1000
_LIST_OFFSETS, _WITH_NEWEST = 2, 7
"""The key of the request, and its first version that can ask for the newest record (KIP-734)."""
UNKNOWN = -1
"""An offset that could not be read."""


@dataclass
class Offsets:
    """One offset of each partition, and when it was read of each topic."""

    of: dict[str, array[int]]
    at: dict[str, float] = field(default_factory=dict)


def read_offsets(calls: Calls, layout: Layout, spec: OffsetSpec, what: str, *, again: bool = False) -> Offsets:
    """Return an offset of each partition that has a leader; UNKNOWN for one that cannot be read."""
    found = Offsets({topic: array("q", [UNKNOWN]) * len(leaders) for topic, leaders in layout.leaders.items()})
    for topic, partition, offset, _ in _ask(calls, layout, _led(layout), spec, what, again):
        found.of[topic][partition] = offset
        found.at[topic] = time.monotonic()
    return found


def fill_ends(topics: dict[str, TopicEntry], starts: Offsets, ends: Offsets) -> None:
    """Fill in how many records there can be."""
    for name, topic in topics.items():
        first, last = starts.of[name], ends.of[name]
        if UNKNOWN not in last:
            topic.end = sum(last)
            if UNKNOWN not in first:
                topic.records = sum(max(0, end - start) for start, end in zip(first, last, strict=True))


def read_times(
    calls: Calls,
    config: Mapping[str, str],
    layout: Layout,
    topics: dict[str, TopicEntry],
    starts: Offsets,
    ends: Offsets,
    limit: datetime,
) -> None:
    """Fill in the timestamps of the first record and of the newest one, of partitions that have records.

    Brokers before 3.0 do not return the latter, but whether there is a record of `limit` or later: they take the
    question for one about a timestamp, and answer with the first record. Unknown brokers count as such.
    """

    def has_records(topic: str, partition: int) -> bool:
        return not 0 <= ends.of[topic][partition] <= starts.of[topic][partition]

    wanted = _led(layout, has_records)
    begin: OffsetSpec = OffsetSpec.for_timestamp(0)
    newest: OffsetSpec = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
    if unsupported := bool(wanted) and (served_versions(config) or {}).get(_LIST_OFFSETS, 0) < _WITH_NEWEST:
        newest = OffsetSpec.for_timestamp(int(limit.timestamp() * 1000))
        why = f"brokers before 3.0 report only whether there is a record since {limit:%Y-%m-%d} (--stale-days)"
        calls.gaps.add("last writes", "unsupported", why, cluster=calls.cluster)
    first = _extremes(calls, layout, wanted, begin, "first writes", min)
    last = _extremes(calls, layout, wanted, newest, "last writes", max)
    asked = Counter(topic for topic, _ in wanted)
    for name, entry in topics.items():
        led = all(leader >= 0 for leader in layout.leaders[name])
        entry.times_complete = led and first.answered[name] == last.answered[name] == asked[name]
        entry.first_write = moment(first.of.get(name))
        if not unsupported:
            entry.last_write = moment(last.of.get(name))
        elif name in last.of:
            entry.written_since = moment(last.of[name])
        elif entry.times_complete and entry.records:
            entry.unwritten_since = limit


@dataclass
class _Times:
    """The smallest or largest timestamp of each topic, and how many of its partitions have answered."""

    of: dict[str, int] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)


def _extremes(
    calls: Calls,
    layout: Layout,
    wanted: Sequence[PartitionId],
    spec: OffsetSpec,
    doing: str,
    choose: Callable[[int, int], int],
) -> _Times:
    found = _Times()
    for topic, _partition, _, time_ms in _ask(calls, layout, wanted, spec, doing):
        found.answered[topic] += 1
        if time_ms >= 0:
            found.of[topic] = choose(time_ms, found.of.get(topic, time_ms))
    return found


def fill_growth(topics: dict[str, TopicEntry], before: Offsets, after: Offsets) -> None:
    """Fill in what was added between two readings of the ends."""
    for name, topic in topics.items():
        old, new = before.of[name], after.of[name]
        if UNKNOWN in old or UNKNOWN in new or name not in before.at:
            continue
        seconds = after.at[name] - before.at[name]
        topic.grown = max(0, sum(new) - sum(old))
        topic.grown_per_s = round(topic.grown / seconds, 3) if seconds > 0 else None


def moment(time_ms: int | None) -> datetime | None:
    """Return a time in ms since 1970 as a date; None for none, and for one beyond what dates can express."""
    try:
        return None if time_ms is None or time_ms < 0 else datetime.fromtimestamp(time_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _led(layout: Layout, keep: Callable[[str, int], bool] = lambda _topic, _partition: True) -> list[PartitionId]:
    return [
        (topic, partition)
        for topic, leaders in layout.leaders.items()
        for partition, leader in enumerate(leaders)
        if leader >= 0 and keep(topic, partition)
    ]


def _ask(
    calls: Calls, layout: Layout, wanted: Sequence[PartitionId], spec: OffsetSpec, what: str, again: bool = False
) -> Iterator[tuple[str, int, int, int]]:
    """Return topic, partition, offset and timestamp of each partition that answers."""
    for part in calls.slices(wanted, _SLICE, f"{what} again" if again else what, len(wanted)):
        calls.wait(len(layout.brokers))
        asked = {TopicPartition(topic, partition): spec for topic, partition in part}
        futures = calls.client.list_offsets(asked, request_timeout=TIMEOUT_S)
        for partition, found in calls.results(what, futures, lambda each: each.topic, "grant Describe on these topics"):
            yield partition.topic, partition.partition, found.offset, found.timestamp
