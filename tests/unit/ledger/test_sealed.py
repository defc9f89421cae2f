"""Sealed ledgers: the same rows as the journal's, by stream, and readable by any Parquet reader."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cutover_harness.ledger import LedgerError, LedgerWriter, read_ledger, read_ledgers, seal_ledgers
from cutover_harness.ledger.columns import ALL_STREAMS, Columns
from cutover_harness.ledger.format import HEADER_SIZE, JOURNAL, META, ROW, SEALED
from cutover_harness.ledger.sealed import stream_ranges

STREAMS = [5, 2**64 - 1, 0, 17]


def write(folder: Path, rows: int = 1000) -> None:
    ledger = LedgerWriter(folder, instance="a", role="consumer", group="g", run=1)
    for n in range(rows):
        ledger.delivered(f"topic-{n % 3}", n % 5, n * 3, STREAMS[n % 4], n // 4, n % 2)
        if n % 10 == 0:
            ledger.committed("topic-0", 0, n, 0)
    ledger.close()


def unseal(folder: Path) -> Path:
    """Make a sealed ledger one of another tool, which writes down no checksum; return its Parquet file."""
    meta = json.loads((folder / META).read_text())
    del meta["sealed"]
    (folder / META).write_text(json.dumps(meta))
    return folder / SEALED


def listed(columns: Columns) -> list[tuple[int, ...]]:
    names = ("event", "cluster", "topic", "partition", "offset", "stream", "sequence", "time_ns")
    return list(zip(*(getattr(columns, name).tolist() for name in names), strict=True))


def test_sealed_rows_are_the_journals(tmp_path: Path) -> None:
    write(tmp_path / "a")
    before = read_ledger(tmp_path / "a")
    all_before = listed(before.rows.records(*ALL_STREAMS))
    control_before = listed(before.rows.control())
    some_before = listed(before.rows.records(1, 17))
    assert seal_ledgers(tmp_path) == 1
    assert seal_ledgers(tmp_path) == 0
    assert not (tmp_path / "a" / JOURNAL).exists()
    after = read_ledger(tmp_path / "a")
    assert after.rows.topics == before.rows.topics
    assert after.rows.count == before.rows.count
    assert listed(after.rows.records(*ALL_STREAMS)) == all_before
    assert listed(after.rows.control()) == control_before
    assert listed(after.rows.records(1, 17)) == some_before
    assert {row[5] for row in some_before} == {5, 17}
    assert after.rows.records(6, 16).event.tolist() == []


def test_row_groups_are_read_by_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cutover_harness.ledger.sealed._ROW_GROUP", 64)
    monkeypatch.setattr("cutover_harness.ledger.sealed._SEAL_AT_ONCE", 300)
    monkeypatch.setattr("cutover_harness.ledger.journal._CHUNK", 128)
    write(tmp_path / "a")
    before = listed(read_ledger(tmp_path / "a").rows.records(*ALL_STREAMS))
    seal_ledgers(tmp_path)
    rows = read_ledger(tmp_path / "a").rows
    assert pq.ParquetFile(tmp_path / "a" / SEALED).num_row_groups > 10
    assert [row for stream in sorted(STREAMS) for row in listed(rows.records(stream, stream))] == before
    assert len(rows.control()) == 100
    assert set(rows.sample(100).tolist()) == set(STREAMS)


def test_torn_rows_are_remembered(tmp_path: Path) -> None:
    ledger = LedgerWriter(tmp_path, instance="a", role="producer", group=None, run=1)
    ledger.sent("orders", 0, 7, 0, 0)
    with (tmp_path / JOURNAL).open("r+b") as file:
        file.seek(HEADER_SIZE + ROW.size)
        file.write(ROW.pack(3, 3, 7, 1, 0, 0, 0, 0))
    seal_ledgers(tmp_path)
    found = read_ledger(tmp_path)
    assert (found.torn, found.rows.count, found.meta.closed) == (1, 1, False)


def test_another_tools_parquet_needs_no_order(tmp_path: Path) -> None:
    write(tmp_path / "a", 100)
    seal_ledgers(tmp_path)
    table = pq.read_table(unseal(tmp_path / "a"))
    shuffled = table.take(np.argsort(table["time_ns"].to_numpy(), kind="stable")).replace_schema_metadata({})
    pq.write_table(shuffled.set_column(2, "topic", shuffled["topic"].cast(pa.string())), tmp_path / "a" / SEALED)
    rows = read_ledger(tmp_path / "a").rows
    assert sorted(rows.topics) == ["topic-0", "topic-1", "topic-2"]
    assert len(rows.records(*ALL_STREAMS)) == 100
    assert len(rows.control()) == 10
    assert set(rows.records(5, 17).stream.tolist()) == {5, 17}


def test_spoilt_parquet_is_one_line(tmp_path: Path) -> None:
    write(tmp_path / "a", 100)
    seal_ledgers(tmp_path)
    path = tmp_path / "a" / SEALED
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(LedgerError, match=f"truncated: {len(whole) - 30} bytes of {len(whole)}"):
        read_ledgers(tmp_path)
    unseal(tmp_path / "a")
    with pytest.raises(LedgerError, match="truncated or not Parquet") as error:
        read_ledgers(tmp_path)
    assert "\n" not in str(error.value)
    pq.write_table(pa.table({"event": [1]}), path)
    with pytest.raises(LedgerError, match="column 'cluster' is missing"):
        read_ledgers(tmp_path)


def test_ranges_cover_all_streams_once() -> None:
    sample = np.random.default_rng(1).integers(0, 2**64 - 1, 1000, np.uint64)
    ranges = stream_ranges(sample, 10_000, 700)
    assert len(ranges) == 15
    assert (ranges[0][0], ranges[-1][1]) == ALL_STREAMS
    assert all(low == high + 1 for (_, high), (low, _) in pairwise(ranges))
    assert stream_ranges(np.full(9, 2**64 - 1, np.uint64), 10_000, 10)[-1] == (2**64 - 1, 2**64 - 1)
