"""A capture to replay, made of plain lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cutover_harness.capture import CaptureInfo, CaptureWriter, TopicInfo, record_batch
from cutover_harness.replay.records import Headers, Records
from cutover_harness.replay.sender import Sender

One = tuple[str, int, bytes | None, bytes | None, Headers | None, int, int]
"""topic, partition, key, value, headers, stream, timestamp"""
Rows = Sequence[tuple[str, int, bytes | None, int]]  # topic, partition, key, timestamp
MakeCapture = Callable[[Rows], Path]


def send(sender: Sender, *records: One) -> None:
    """Send records, as a batch of their own."""
    topics, partitions, keys, values, headers, streams, stamps = map(list, zip(*records, strict=True))
    batch = Records(topics, partitions, keys, values, headers, streams, [0] * len(records), stamps)
    sender.send(sender.prepare(batch), 0, len(records))


@pytest.fixture
def make_capture(tmp_path: Path) -> MakeCapture:
    def make(rows: Rows) -> Path:
        path = tmp_path / "capture.parquet"
        topics: dict[str, int] = {}
        for topic, partition, _, _ in rows:
            topics[topic] = max(partition + 1, topics.get(topic, 1))
        count = len(rows)
        with CaptureWriter(path) as writer:
            half = max(1, count // 2)
            for part in (range(half), range(half, count)):
                if part:
                    writer.write(
                        record_batch(
                            [rows[n][0] for n in part],
                            [rows[n][1] for n in part],
                            list(part),
                            [rows[n][3] for n in part],
                            [1] * len(part),
                            [rows[n][2] for n in part],
                            [None if n % 5 == 4 else b"v%d" % n for n in part],
                            [[("h", b"%d" % n), ("x", None)] if n % 3 == 0 else None for n in part],
                        )
                    )
            writer.close(CaptureInfo("now", {name: TopicInfo(n) for name, n in topics.items()}))
        return path

    return make
