"""Captures: written and read back, and one clear line for whatever is none."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cutover_harness.capture import (
    SCHEMA,
    CaptureError,
    CaptureInfo,
    CaptureReader,
    CaptureWriter,
    TopicInfo,
    record_batch,
)
from cutover_harness.capture.format import GroupOffsets
from cutover_scenarios import sample_capture

INFO = CaptureInfo(
    "2026-01-01T00:00:00+00:00",
    {"a": TopicInfo(2, {"cleanup.policy": "compact"}), "b": TopicInfo(1)},
    (GroupOffsets("g", {"a": {0: 7, 1: 8}}),),
    {"masked": "all"},
)
HEADERS = [("h", b"1"), ("h", None), ("", b"")]


def write(path: Path, rows: int = 3) -> Path:
    with CaptureWriter(path) as writer:
        if rows:
            writer.write(
                record_batch(
                    ["a", "b", "a"][:rows],
                    [0, 0, 1][:rows],
                    [5, 0, 9][:rows],
                    [1000, 1001, 1001][:rows],
                    [1, 2, 0][:rows],
                    [b"k", None, b""][:rows],
                    [None, b"v", b""][:rows],
                    [HEADERS, None, []][:rows],
                )
            )
        writer.close(INFO)
    return path


def test_all_fields_survive_the_file(tmp_path: Path) -> None:
    with CaptureReader(write(tmp_path / "c.parquet")) as reader:
        assert reader.info == INFO
        assert reader.span_ms() == (1000, 1001)
        rows = [row for batch in reader.batches() for row in batch.to_pylist()]
    assert [(r["topic"], r["partition"], r["offset"], r["timestamp_type"]) for r in rows] == [
        ("a", 0, 5, 1),
        ("b", 0, 0, 2),
        ("a", 1, 9, 0),
    ]
    assert [(r["key"], r["value"]) for r in rows] == [(b"k", None), (None, b"v"), (b"", b"")]
    assert [(h["name"], h["value"]) for h in rows[0]["headers"]] == HEADERS
    assert rows[1]["headers"] is None


def test_capture_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    with CaptureWriter(path) as writer:
        writer.write(record_batch(["a"], [0], [0], [0], [1], [None], [None], [None]))
        assert not path.exists()
    assert list(tmp_path.iterdir()) == []


def no_footer(good: bytes) -> bytes:
    return good[:-20]


def half(good: bytes) -> bytes:
    return good[: len(good) // 2]


def flipped(good: bytes) -> bytes:
    return good[:40] + bytes([good[40] ^ 0xFF]) + good[41:]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lambda _: b"", "the file is empty"),
        (lambda _: b"key,value\n1,2\n", "not a Parquet file"),
        (no_footer, "truncated"),
        (half, "truncated"),
        (lambda good: good[:4], "truncated"),
        (flipped, "damaged"),
        (lambda good: good[:-12] + b"\xff\xff\xff\x7f" + good[-8:], "damaged"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, content: object, says: str) -> None:
    good = write(tmp_path / "good.parquet").read_bytes()
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(content(good))  # type: ignore[operator]
    with pytest.raises(CaptureError) as error, CaptureReader(bad) as reader:
        list(reader.batches())
    assert says in str(error.value)
    assert str(bad) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no such file"):
        CaptureReader(tmp_path / "none.parquet")
    with pytest.raises(CaptureError, match="is not a file"):
        CaptureReader(tmp_path)
    with pytest.raises(CaptureError, match="contains no records"):
        CaptureReader(write(tmp_path / "empty.parquet", rows=0))


def test_another_schema_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"key": [b"k"], "value": [b"v"]}), path)
    with pytest.raises(CaptureError, match="no column 'topic'"):
        CaptureReader(path)
    wrong = SCHEMA.set(SCHEMA.get_field_index("value"), pa.field("value", pa.string()))
    pq.write_table(wrong.empty_table(), path)
    with pytest.raises(CaptureError, match="column 'value' is string, expected binary"):
        CaptureReader(path)


@pytest.mark.parametrize("metadata", [None, "{", '{"format": 2}', '{"format": 1}', "[]"])
def test_metadata_is_checked(tmp_path: Path, metadata: str | None) -> None:
    path = tmp_path / "c.parquet"
    table = pa.Table.from_batches([record_batch(["a"], [0], [0], [0], [1], [None], [None], [None])])
    pq.write_table(table.replace_schema_metadata({"kafka-cutover": metadata} if metadata else None), path)
    with pytest.raises(CaptureError, match="metadata 'kafka-cutover'"):
        CaptureReader(path)


def test_the_sample_is_a_capture_in_time_order() -> None:
    with CaptureReader(sample_capture()) as reader:
        stamps = [s for batch in reader.batches(columns=["timestamp"]) for s in batch.column(0).to_pylist()]
        assert len(stamps) == reader.records == 12_658
        assert stamps == sorted(stamps)
        assert {name: t.partitions for name, t in reader.info.topics.items()} == {
            "flights.arrived": 6,
            "flights.cancelled": 1,
            "flights.departed": 6,
            "weather.observed": 3,
        }
    assert sample_capture().stat().st_size < 1_000_000
