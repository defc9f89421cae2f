"""Traffic to the inventory's rates and sizes, and sentences on which of its figures were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutover_harness.inventory.model import TopicEntry
from cutover_harness.plan.traffic import TopicTraffic
from cutover_harness.rehearsal.planned.limits import Limits
from cutover_harness.words import counted, listed

LEAST_PER_S = 3.0
"""Records per second of a topic that is not written, or whose rate is unknown: without records nothing is judged."""
BYTES = 200
"""Size of a value if the inventory lacks it."""
KEYS = 100
MOST_KEYS = 1000
LARGEST = 900_000
"""Largest value: brokers and clients accept a megabyte by default."""
LARGE_EVERY = 50
LARGE_FROM = 4
"""A largest record of so many average ones is rehearsed as a large record of its own."""
_ROOM = 512
"""Bytes of a record besides its value: key, headers of the rehearsal, and the batch around it."""


@dataclass(frozen=True)
class Traffic:
    """Traffic of each topic, and sentences on its figures. smaller: topics whose largest records are larger."""

    topics: Mapping[str, TopicTraffic]
    sentences: Sequence[str]
    smaller: Sequence[str]


def traffic_of(topics: Mapping[str, TopicEntry], partitions: Mapping[str, int], limits: Limits) -> Traffic:
    """Return traffic to the figures of `topics`, within the limits of the rates; `partitions`: of each."""
    rates = {name: entry.grown_per_s for name, entry in topics.items() if entry.grown_per_s}
    sizes = {name: _average(entry) for name, entry in topics.items()}
    known = {name: size for name, size in sizes.items() if size is not None}
    scale = _scale(rates, known, limits)
    found = {
        name: _one(entry, max(LEAST_PER_S, rates.get(name, 0.0) * scale), known.get(name, BYTES), partitions[name])
        for name, entry in topics.items()
    }
    smaller = [name for name, entry in topics.items() if (entry.largest_record or 0) > LARGEST]
    return Traffic(found, _sentences(topics, rates, known, scale), smaller)


def _average(entry: TopicEntry) -> int | None:
    """Return the bytes that one record takes on disk, on average; None if unknown."""
    if not entry.records or not entry.bytes:
        return None
    return max(1, round(entry.bytes / entry.records))


def _scale(rates: Mapping[str, float], sizes: Mapping[str, int], limits: Limits) -> float:
    """Return the factor, at most 1, that brings rates and bytes within the limits."""
    records = sum(rates.values())
    volume = sum(rate * sizes.get(name, BYTES) for name, rate in rates.items())
    return min(1.0, limits.records_per_s / max(records, 1e-9), limits.bytes_per_s / max(volume, 1e-9))


def _one(entry: TopicEntry, per_second: float, average: int, partitions: int) -> TopicTraffic:
    most = min(LARGEST, max(1, (entry.max_message_bytes or LARGEST + _ROOM) - _ROOM))
    largest = min(entry.largest_record or 0, most)
    large = largest >= LARGE_FROM * average
    # Brokers refuse records without a key in a compacted topic; others have keys as well, so that order can be judged.
    keys = min(MOST_KEYS, max(KEYS, entry.records or 0)) if entry.compacted else KEYS
    return TopicTraffic(
        partitions=partitions,
        per_second=min(10_000.0, round(per_second, 2)),
        keys=keys,
        bytes=min(average, most),
        large_every=LARGE_EVERY if large else None,
        large_bytes=largest if large else LARGEST,
        config=dict(entry.config or {}),
    )


def _sentences(
    topics: Mapping[str, TopicEntry], rates: Mapping[str, float], sizes: Mapping[str, int], scale: float
) -> list[str]:
    count = len(topics)
    idle = [name for name in topics if name not in rates]
    unsized = [name for name in topics if name not in sizes]
    largest = sum(entry.largest_record is not None for entry in topics.values())
    lines = [f"rates: measured for {len(rates)} of {count} topics while the inventory was taken"]
    if scale < 1:
        lines.append(f"rates: lowered to {100 * scale:.3g} % of the measured ones, which are above the limits")
    if idle:
        lines.append(f"rates: assumed {LEAST_PER_S:g} records per second for {listed(idle, 3)}: no growth was measured")
    lines.append(f"sizes: the average of the logs for {len(sizes)} of {count} topics")
    if unsized:
        lines.append(f"sizes: assumed {counted(BYTES, 'byte')} for {listed(unsized, 3)}")
    lines.append(
        f"largest records: of the inventory's sample for {largest} of {count} topics"
        if largest
        else "largest records: unknown, so all records of a topic have its average size"
    )
    lines.append(f"keys: assumed, {KEYS} different ones for each topic, up to {MOST_KEYS:,} for a compacted one")
    return lines
