"""Statistics of a capture: rates, sizes, keys, hot partitions, bursts. One pass, in constant memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cutover_harness.capture.clock import Clock, clock_of
from cutover_harness.capture.format import CaptureReader

BINS = 60
_SKETCH_BITS = 12


class KeySketch:
    """Estimates the number of different keys (HyperLogLog, 4096 registers: about 2 % off); exact for few keys."""

    def __init__(self) -> None:
        self._exact: set[int] | None = set()
        self._registers = np.zeros(1 << _SKETCH_BITS, np.uint8)

    def add(self, keys: pa.Array) -> None:
        """Add keys; nulls do not count."""
        hashes = {hash(key) & 0xFFFFFFFFFFFFFFFF for key in pc.unique(keys.drop_null()).to_pylist()}
        if self._exact is not None:
            self._exact |= hashes
            if len(self._exact) > 50_000:
                self._exact = None
        for each in hashes:
            place = each >> (64 - _SKETCH_BITS)
            rest = each & ((1 << (64 - _SKETCH_BITS)) - 1)
            rank = 65 - _SKETCH_BITS - rest.bit_length()
            self._registers[place] = max(self._registers[place], rank)

    def count(self) -> int:
        """Return the number of different keys."""
        if self._exact is not None:
            return len(self._exact)
        registers = len(self._registers)
        harmonic = float(np.sum(2.0 ** -self._registers.astype(float)))
        return round(0.7213 / (1 + 1.079 / registers) * registers**2 / harmonic)

    @property
    def exact(self) -> bool:
        """Whether `count` is exact."""
        return self._exact is not None


@dataclass
class TopicFacts:
    """Figures of one topic. Sizes in bytes (key and value); `sizes`: records by power of two of their size."""

    records: int = 0
    bytes: int = 0
    largest: int = 0
    tombstones: int = 0
    unkeyed: int = 0
    headers: int = 0
    sizes: Counter[int] = field(default_factory=Counter)
    partitions: Counter[int] = field(default_factory=Counter)
    keys: KeySketch = field(default_factory=KeySketch)


@dataclass
class CaptureFacts:
    """Figures of a capture. `rate`: records in each of BINS equal spans; `peak`: most records due in one second."""

    records: int
    clock: Clock
    topics: dict[str, TopicFacts]
    rate: list[int]
    peak: int


def facts_of(reader: CaptureReader) -> CaptureFacts:
    """Return the figures of an open capture."""
    clock = clock_of(reader)
    first, span = clock.first_ms, max(1, clock.last_ms - clock.first_ms)
    topics: dict[str, TopicFacts] = {}
    rate = np.zeros(BINS, np.int64)
    peak = 0
    second = count = 0
    before = first
    for batch in reader.batches():
        due = clock.due_ms(clock.ms(batch.column("timestamp").to_numpy()), before)
        before = int(due[-1])
        rate += np.bincount(np.minimum((due - first) * BINS // span, BINS - 1), minlength=BINS)
        seconds, counts = np.unique((due - first) // 1000, return_counts=True)
        for each, number in zip(seconds.tolist(), counts.tolist(), strict=True):
            count = count + number if each == second else number
            second = each
            peak = max(peak, count)
        _add(topics, batch)
    return CaptureFacts(reader.records, clock, dict(sorted(topics.items())), rate.tolist(), peak)


def _add(topics: dict[str, TopicFacts], batch: pa.RecordBatch) -> None:
    names = batch.column("topic").cast(pa.string())
    lengths = [pc.fill_null(pc.binary_length(batch.column(name)), 0).to_numpy() for name in ("key", "value")]
    sizes = (lengths[0] + lengths[1]).astype(np.int64)
    null_value = batch.column("value").is_null().to_numpy(zero_copy_only=False)
    keys = batch.column("key")
    null_key = keys.is_null().to_numpy(zero_copy_only=False)
    headers = pc.fill_null(pc.list_value_length(batch.column("headers")), 0).to_numpy()
    partitions = batch.column("partition").to_numpy()
    for name in pc.unique(names).to_pylist():
        chosen = pc.equal(names, name)
        mask = chosen.to_numpy(zero_copy_only=False)
        found = topics.setdefault(name, TopicFacts())
        found.records += int(mask.sum())
        found.bytes += int(sizes[mask].sum())
        found.largest = max(found.largest, int(sizes[mask].max()))
        found.tombstones += int(null_value[mask].sum())
        found.unkeyed += int(null_key[mask].sum())
        found.headers += int(headers[mask].sum())
        powers, counts = np.unique(np.ceil(np.log2(np.maximum(sizes[mask], 1))).astype(int), return_counts=True)
        found.sizes.update(dict(zip(powers.tolist(), counts.tolist(), strict=True)))
        numbers, counts = np.unique(partitions[mask], return_counts=True)
        found.partitions.update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))
        found.keys.add(keys.filter(chosen))
