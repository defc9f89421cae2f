"""The capture of a scenario with its own traffic: generated, the same for the same seed."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cutover_harness.capture.format import CaptureInfo, TopicInfo
from cutover_harness.capture.writer import CaptureWriter, Header, record_batch
from cutover_harness.plan.traffic import TopicTraffic
from cutover_harness.rehearsal.settings import TARGET_RUN_S

_EPOCH_MS = 1_700_000_000_000
_ROWS = 2_000
_PATTERN = bytes(range(256))


@dataclass(frozen=True)
class GeneratedRecord:
    """One record; `at_ms` from the start."""

    at_ms: int
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[Header] | None


def records_of(topic: str, shape: TopicTraffic, seed: int) -> Iterator[GeneratedRecord]:
    """Yield the records of one topic, in the order of their times."""
    chance = random.Random(f"{seed}/{topic}")  # noqa: S311 - the same traffic for the same seed
    for number in range(max(1, round(shape.per_second * TARGET_RUN_S))):
        unkeyed = not shape.keys or chance.random() < shape.unkeyed
        key = None if unkeyed else b"key-%d" % chance.randrange(shape.keys)
        size = shape.large_bytes if shape.large_every and number % shape.large_every == 0 else shape.bytes
        value = None if chance.random() < shape.tombstones else _value(number, size)
        own: list[Header] | None = None
        if chance.random() < shape.headers:
            own = [("trace", b"%016x" % chance.getrandbits(64)), ("raw", chance.randbytes(16)), ("none", None)]
        spread = number if key is None else zlib.crc32(key)
        yield GeneratedRecord(int(number * 1000 / shape.per_second), topic, spread % shape.partitions, key, value, own)


def write_traffic(traffic: Mapping[str, TopicTraffic], seed: int, path: Path) -> Path:
    """Write the capture of `traffic`, 30 seconds of it, and return its path."""
    records = sorted(
        (record for topic, shape in traffic.items() for record in records_of(topic, shape, seed)),
        key=lambda record: record.at_ms,
    )
    offsets: dict[tuple[str, int], int] = {}
    with CaptureWriter(path) as writer:
        for first in range(0, len(records), _ROWS):
            writer.write(_batch(records[first : first + _ROWS], offsets))
        info = {topic: TopicInfo(shape.partitions, shape.properties) for topic, shape in traffic.items()}
        writer.close(CaptureInfo(recorded="made by the scenario", topics=info))
    return path


def _batch(records: list[GeneratedRecord], offsets: dict[tuple[str, int], int]) -> pa.RecordBatch:
    numbers = []
    for record in records:
        at = offsets.get((record.topic, record.partition), 0)
        numbers.append(at)
        offsets[record.topic, record.partition] = at + 1
    return record_batch(
        [record.topic for record in records],
        [record.partition for record in records],
        numbers,
        [_EPOCH_MS + record.at_ms for record in records],
        [1] * len(records),
        [record.key for record in records],
        [record.value for record in records],
        [record.headers for record in records],
    )


def _value(number: int, size: int) -> bytes:
    head = b"%d:" % number
    return (head + _PATTERN * (size // len(_PATTERN) + 1))[:size]
