"""Traffic for a topic and partitions that appear half-way."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.capture.format import CaptureInfo, CaptureReader, TopicInfo
from cutover_harness.capture.writer import CaptureWriter, record_batch
from cutover_harness.errors import UsageError
from cutover_harness.plan.batch import Growth
from cutover_harness.procedure.names import StepName
from cutover_harness.rehearsal.growth import write_traffic


def capture(path: Path) -> Path:
    rows = 6
    with CaptureWriter(path) as writer:
        writer.write(
            record_batch(
                ["a", "b"] * 3,
                [0, 0, 1, 0, 1, 0],
                list(range(rows)),
                [1000 + n for n in range(rows)],
                [1] * rows,
                [b"k0", b"x", b"k1", b"x", None, b"x"],
                [b"v%d" % n for n in range(rows)],
                [[("h", b"1")]] + [None] * 5,
            )
        )
        writer.close(CaptureInfo("now", {"a": TopicInfo(2, {"retention.ms": "1000"}), "b": TopicInfo(1)}))
    return path


def test_traffic_of_new_topics_and_partitions_repeats_the_old_one_with_other_keys(tmp_path: Path) -> None:
    out = tmp_path / "growth.parquet"
    write_traffic(
        capture(tmp_path / "c.parquet"),
        out,
        Growth(at=StepName.SYNCHRONISE, like="a", topic="n", partitions=3),
        recorded="a",
    )
    with CaptureReader(out) as reader:
        assert reader.info.topics == {
            "n": TopicInfo(2, {"retention.ms": "1000"}),
            "a": TopicInfo(5, {"retention.ms": "1000"}),
        }
        rows = [
            (r["topic"], r["partition"], r["key"], r["value"], r["timestamp"])
            for b in reader.batches()
            for r in b.to_pylist()
        ]
    assert rows == [
        ("n", 0, b"k0", b"v0", 1000),
        ("a", 2, b"k0~new", b"v0", 1000),
        ("n", 1, b"k1", b"v2", 1002),
        ("a", 3, b"k1~new", b"v2", 1002),
        ("n", 1, None, b"v4", 1004),
        ("a", 3, None, b"v4", 1004),
    ]


def test_a_topic_without_records_cannot_grow(tmp_path: Path) -> None:
    source = tmp_path / "c.parquet"
    with CaptureWriter(source) as writer:
        writer.write(record_batch(["a"], [0], [0], [1], [1], [b"k"], [b"v"], [None]))
        writer.close(CaptureInfo("now", {"a": TopicInfo(1), "b": TopicInfo(1)}))
    with pytest.raises(UsageError, match="b has no records"):
        write_traffic(
            source, tmp_path / "g.parquet", Growth(at=StepName.SYNCHRONISE, like="b", topic="n"), recorded="b"
        )
