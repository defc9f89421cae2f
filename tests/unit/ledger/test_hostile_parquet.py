"""Damaged and foreign Parquet ledgers are refused in one line; other widths are read."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cutover_harness.ledger import LedgerError, LedgerWriter, read_ledger, seal_ledgers
from cutover_harness.ledger.columns import ALL_STREAMS
from cutover_harness.ledger.format import META, SEALED
from cutover_harness.ledger.meta import read_meta
from cutover_harness.ledger.probe import require_readable
from cutover_harness.ledger.sealed import require_intact

from tests.unit.ledger.hostile import DEEP, refused, write

from .test_sealed import unseal


def table(**columns: object) -> pa.Table:
    rows = 3
    return pa.table(
        {
            "event": pa.array([4] * rows, pa.uint8()),
            "cluster": pa.array([0] * rows, pa.uint8()),
            "topic": pa.array(["orders"] * rows),
            "partition": pa.array([0] * rows, pa.int32()),
            "offset": pa.array(range(rows), pa.int64()),
            "stream": pa.array([1] * rows, pa.uint64()),
            "sequence": pa.array(range(rows), pa.int64()),
            "time_ns": pa.array([1, 2, 3], pa.int64()),
        }
        | columns
    )


WRONG_COLUMNS = {
    "decimal": ("offset", pa.array([1, 2, 3], pa.decimal128(10, 0)), "is decimal128(10, 0); expected int64"),
    "float": ("offset", pa.array([1.0, 2.0, 3.0]), "is double"),
    "text": ("offset", pa.array(["1", "2", "3"]), "is string"),
    "boolean": ("event", pa.array([True] * 3), "is bool"),
    "timestamp": ("time_ns", pa.array([1, 2, 3], pa.timestamp("us")), "is timestamp[us]"),
    "nested": ("stream", pa.array([[1], [2], [3]]), "is list<"),
    "structure": ("stream", pa.array([{"stream": 1}] * 3), "is struct<"),
    "nulls": ("partition", pa.nulls(3), "is null"),
    "binary topics": ("topic", pa.array([b"o"] * 3), "is binary; expected text"),
    "numbers for topics": ("topic", pa.array([1] * 3), "is int64; expected text"),
    "dictionary of binary": ("topic", pa.array([b"o"] * 3).dictionary_encode(), "expected text"),
    "an empty number": ("sequence", pa.array([1, None, 3]), "empty"),
    "an empty topic": ("topic", pa.array(["o", None, "o"]), "topic"),
    "a topic without a name": ("topic", pa.array(["o", "", "o"]), "no topic's name"),
    "a topic with a line break": ("topic", pa.array(["o", "a\nb", "o"]), "no topic's name"),
    "event 0": ("event", pa.array([4, 0, 4]), "column 'event': found 0"),
    "event 9": ("event", pa.array([4, 9, 4]), "column 'event': found 9"),
    "event 300": ("event", pa.array([4, 300, 4]), "300"),
    "event -1": ("event", pa.array([4, -1, 4]), "-1"),
    "event 9 throughout": ("event", pa.array([9] * 3), "column 'event': found 9"),
    "event 300 throughout": ("event", pa.array([300] * 3), "300"),
    "cluster 2": ("cluster", pa.array([0, 2, 0]), "column 'cluster': found 2"),
    "partition -1": ("partition", pa.array([0, -1, 0]), "column 'partition': found -1"),
    "partition 2^31": ("partition", pa.array([0, 2**31, 0]), "2147483648"),
    "offset -2": ("offset", pa.array([0, -2, 0]), "column 'offset': found -2"),
    "sequence -2": ("sequence", pa.array([0, -2, 0]), "column 'sequence': found -2"),
    "stream -1": ("stream", pa.array([0, -1, 0]), "-1"),
    "offset 2^63": ("offset", pa.array([0, 2**63, 0], pa.uint64()), "9223372036854775808"),
}


@pytest.fixture
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read other tools' files here alone, which saves a process a test."""
    monkeypatch.setattr("cutover_harness.ledger.reader.require_readable", lambda paths: None)


@pytest.mark.usefixtures("no_probe")
@pytest.mark.parametrize("shape", WRONG_COLUMNS)
@pytest.mark.parametrize("statistics", [True, False])
def test_parquet_of_other_types_is_one_line(tmp_path: Path, shape: str, statistics: bool) -> None:
    name, column, said = WRONG_COLUMNS[shape]
    write(tmp_path, None)
    pq.write_table(table(**{name: column}), tmp_path / SEALED, write_statistics=statistics)
    assert said in refused(tmp_path, names=SEALED)


@pytest.mark.usefixtures("no_probe")
def test_parquet_with_a_column_twice_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, None)
    pq.write_table(table().append_column("event", pa.array([1, 1, 1])), tmp_path / SEALED)
    assert "column 'event' is there 2 times" in refused(tmp_path, names=SEALED)


@pytest.mark.usefixtures("no_probe")
def test_parquet_of_other_widths_is_read(tmp_path: Path) -> None:
    write(tmp_path, None)
    narrow = {
        "event": pa.array([4] * 3, pa.int64()),
        "stream": pa.array([1] * 3, pa.int8()),
        "topic": pa.array(["orders"] * 3, pa.large_string()),
        "partition": pa.array([0, 1, 2], pa.uint16()),
    }
    pq.write_table(table(**narrow), tmp_path / SEALED)
    rows = read_ledger(tmp_path).rows.records(*ALL_STREAMS)
    assert (rows.event.tolist(), rows.partition.tolist(), rows.stream.tolist()) == ([4] * 3, [0, 1, 2], [1] * 3)


NOTES: dict[str, tuple[dict[bytes, bytes], str]] = {
    "topics that are no JSON": ({b"kafka-cutover.topics": b'["ord'}, "not JSON"),
    "topics that are nested": ({b"kafka-cutover.topics": DEEP.encode()}, "nested too deep"),
    "topics that are a number": ({b"kafka-cutover.topics": b"7"}, "list of topics is 7"),
    "topics that are numbers": ({b"kafka-cutover.topics": b"[7]"}, "found 7"),
    "topics without the rows'": ({b"kafka-cutover.topics": b'["audit"]'}, "not in its list of topics"),
    "an order that it has not": ({b"kafka-cutover.ledger": b"1 sorted by stream"}, "is not"),
}


@pytest.mark.usefixtures("no_probe")
@pytest.mark.parametrize("shape", NOTES)
def test_parquet_with_wrong_notes_is_one_line(tmp_path: Path, shape: str) -> None:
    notes, said = NOTES[shape]
    write(tmp_path, None)
    made = table(stream=pa.array([3, 1, 2], pa.uint64()), topic=pa.array(["orders", "orders", "paid"]))
    pq.write_table(made.replace_schema_metadata(notes), tmp_path / SEALED)
    assert said in refused(tmp_path, names=SEALED)


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    ledger = LedgerWriter(tmp_path / "a", instance="a", role="consumer", group="g", run=1)
    for n in range(40):
        ledger.delivered(f"t-{n % 3}", n % 5, n * 3, (5, 2**64 - 1, 17)[n % 3], n // 3, n % 2)
    ledger.committed("t-0", 0, 3, 0)
    ledger.close()
    seal_ledgers(tmp_path)
    return tmp_path / "a"


def test_sealed_ledger_with_any_byte_changed_or_missing_is_reported(sealed: Path) -> None:
    """Arrow would have noticed half of them, and aborted the process on some: the checksum is looked at first."""
    path = sealed / SEALED
    whole = path.read_bytes()
    intact = read_meta(sealed / META).sealed
    assert intact is not None
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place])
        with pytest.raises(LedgerError, match="truncated"):
            require_intact(path, intact)
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << place % 8
        path.write_bytes(spoilt)
        with pytest.raises(LedgerError, match="damaged: its CRC-32"):
            require_intact(path, intact)
    with pytest.raises(LedgerError, match="damaged: its CRC-32"):
        read_ledger(sealed)
    path.write_bytes(whole)
    assert read_ledger(sealed).rows.count == 41


def test_parquet_that_ends_the_process_is_one_line(sealed: Path) -> None:
    path = unseal(sealed)
    table = pq.read_table(path)  # as another tool writes it, with columns in which values may be missing
    nullable = pa.schema([field.with_nullable(True) for field in table.schema], metadata=table.schema.metadata)
    pq.write_table(pa.table(table.columns, schema=nullable), path)
    whole = path.read_bytes()
    optional, undefined = b"\x25\x02\x18\x05event", b"\x25\x03\x18\x05event"  # how often a value is there
    assert optional in whole
    path.write_bytes(whole.replace(optional, undefined))  # Arrow 26 aborts the process that reads it
    refused(sealed, names=SEALED)


def test_the_guard_names_the_file_that_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nprintf .\nkill -ABRT $$\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    with pytest.raises(LedgerError, match=r"^second: damaged: a process that reads it ends with signal 6"):
        require_readable([Path("first"), Path("second"), Path("third")])


def test_a_row_group_that_takes_too_much_memory_is_one_line(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = pq.ParquetFile(sealed / SEALED).metadata
    most = max(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    monkeypatch.setattr("cutover_harness.ledger.sealed.MOST_IN_GROUP", most)
    read_ledger(sealed)
    monkeypatch.setattr("cutover_harness.ledger.sealed.MOST_IN_GROUP", most - 1)
    with pytest.raises(LedgerError, match=f"a row group of {most} rows; the most is {most - 1}"):
        read_ledger(sealed)
