"""A capture that is written bit by bit is one Parquet file, and what was written before a crash can be had."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cutover_harness.capture import CaptureError, CaptureInfo, CaptureReader, CaptureWriter, TopicInfo, record_batch
from cutover_harness.capture.appending import PartWriter, whole_footer
from cutover_harness.capture.writer import recover

INFO = CaptureInfo("now", {"t": TopicInfo(1)})
PARTIAL = "partial"


def rows(numbers: range) -> pa.RecordBatch:
    count = len(numbers)
    values = [b"value %d" % n for n in numbers]
    nothing = [None] * count
    return record_batch(["t"] * count, [0] * count, list(numbers), list(numbers), [1] * count, nothing, values, nothing)


def offsets(path: Path) -> list[int]:
    with CaptureReader(path) as reader:
        assert reader.info == INFO
        return [offset for batch in reader.batches() for offset in batch.column("offset").to_pylist()]


def test_parts_make_one_file(tmp_path: Path) -> None:
    out = tmp_path / "c.parquet"
    with CaptureWriter(out) as writer:
        for number in range(0, 100, 10):
            writer.write(rows(range(number, number + 10)))
            if number % 20:
                writer.checkpoint()
        writer.checkpoint()
        writer.close(INFO)
    assert offsets(out) == list(range(100))
    assert pq.read_metadata(out).num_row_groups == 10
    with duckdb.connect() as connection:
        found = connection.execute(
            'SELECT count(*), sum("offset"), max(value) FROM read_parquet(?)', [str(out)]
        ).fetchall()
    assert found == [(100, sum(range(100)), b"value 99")], "other readers agree"


@pytest.mark.parametrize("checkpoints", [1, 2, 5])
def test_records_written_before_a_crash_are_recovered(tmp_path: Path, checkpoints: int) -> None:
    partial = tmp_path / PARTIAL
    lengths = []
    writer = CaptureWriter(tmp_path / "c.parquet", partial=partial)
    for number in range(5):
        writer.write(rows(range(number * 10, number * 10 + 10)))
        lengths.append(writer.checkpoint())
    writer.write(rows(range(50, 60)))
    writer.keep()
    for _ in range(2):  # a crash may come in between
        recover(partial, lengths[checkpoints - 1], INFO)
        assert offsets(partial) == list(range(checkpoints * 10))


@pytest.mark.parametrize("change", [-7, 10**6], ids=["in the middle", "beyond the end"])
def test_changed_file_is_reported(tmp_path: Path, change: int) -> None:
    partial = tmp_path / PARTIAL
    writer = CaptureWriter(tmp_path / "c.parquet", partial=partial)
    writer.write(rows(range(10)))
    length = writer.checkpoint()
    writer.keep()
    size = partial.stat().st_size
    with pytest.raises(CaptureError, match=r"partial: damaged \(no footer of a part at byte"):
        recover(partial, length + change, INFO)
    assert partial.stat().st_size == size, "nothing is changed"


def test_offsets_are_right_far_into_a_file(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    parts: list[pq.FileMetaData] = []
    with path.open("wb") as file:
        for number, at in enumerate([0, 5 << 30, (5 << 30) + (1 << 20)]):
            file.seek(at)  # what is skipped takes no room on the disk
            part = PartWriter(file, parts)
            part.write(pa.Table.from_batches([rows(range(number * 10, number * 10 + 10))]))
            part.close()
        file.write(whole_footer(parts, INFO))
    assert offsets(path) == list(range(30))


def test_full_disk_is_reported(tmp_path: Path) -> None:
    writer = CaptureWriter(tmp_path / "c.parquet", partial=Path("/dev/full"))
    writer.write(rows(range(1000)))
    with pytest.raises(CaptureError, match="cannot be written"):
        writer.checkpoint()
    writer.keep()


def test_full_disk_in_the_middle_of_a_row_group_is_reported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    writer = CaptureWriter(tmp_path / "c.parquet", partial=Path("/dev/full"))
    big = pa.Table.from_batches([rows(range(2000))])
    noise = pa.array([os.urandom(10_000) for _ in range(2000)], pa.binary())
    with pytest.raises(CaptureError, match="cannot be written"):
        writer.write(big.set_column(big.schema.get_field_index("value"), "value", noise))
    writer.keep()
    del writer
    gc.collect()
    assert capfd.readouterr().err == "", "one clear line, and nothing from underneath"


def test_uncounted_records_are_not_written_after_an_error(tmp_path: Path) -> None:
    partial = tmp_path / PARTIAL
    writer = CaptureWriter(tmp_path / "c.parquet", partial=partial)
    writer.write(rows(range(10)))
    length = writer.checkpoint()
    writer.write(rows(range(10, 20)))
    writer.keep()
    assert partial.stat().st_size == length
    recover(partial, length, INFO)
    assert offsets(partial) == list(range(10))
