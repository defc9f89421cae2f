"""Ledgers in shapes that nobody should write: each is one line that names the file, and never a traceback."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cutover_harness.ledger import LedgerError, LedgerWriter, read_ledger, read_ledgers, seal_ledgers
from cutover_harness.ledger.columns import ALL_STREAMS
from cutover_harness.ledger.format import CSV, HEADER_SIZE, JOURNAL, JSON_LINES, META, NAMES, ROW, SEALED
from cutover_harness.ledger.meta import read_meta
from cutover_harness.ledger.probe import require_readable
from cutover_harness.ledger.sealed import require_intact

from .test_sealed import unseal

HEAD = "event,cluster,topic,partition,offset,key,sequence,time_ns\n"
ROW_TEXT = "DELIVERED,source,orders,0,7,k,7,1764000000000000000\n"
PLAIN = {"format": 1, "instance": "a", "role": "consumer", "group": "g", "run": 1}
DEEP = "[" * 200_000 + "]" * 200_000
ENTRY = {"event": "DELIVERED", "topic": "orders", "partition": 0, "sequence": 0, "time_ns": 1}


def write(folder: Path, events: str | None, content: str | bytes = "", **meta: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / META).write_text(json.dumps(PLAIN | meta))
    if events is not None:
        (folder / events).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def refused(folder: Path, *, names: str) -> str:
    """Return what is said of a folder of ledgers, all of whose rows are asked for."""

    def read() -> None:
        for ledger in read_ledgers(folder).instances:
            ledger.rows.records(*ALL_STREAMS)
            ledger.rows.control()
            ledger.rows.sample(10)
            ledger.rows.times(10)
            ledger.names([1])

    with pytest.raises(LedgerError) as error:
        read()
    said = str(error.value)
    assert "\n" not in said
    assert len(said) < 700
    assert names in said
    said.encode()  # it can be printed
    return said


META_SHAPES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "not JSON"),
    "a list": ("[]", "'format' is missing"),
    "a number": ("7", "'format' is missing"),
    "nested": (DEEP, "nested too deep"),
    "cut": ('{"format": 1, "inst', "not JSON"),
    "not UTF-8": (b'{"format": 1, "instance": "\xff"}', "not UTF-8"),
    "UTF-16": ('{"format": 1}'.encode("utf-16"), "not UTF-8"),
    "zeros": (bytes(300), "not JSON"),
    "a huge number": ('{"format": 1, "run": ' + "9" * 5000 + "}", "not JSON"),
    "format of tomorrow": (json.dumps(PLAIN | {"format": 2}), "format 2"),
    "format of text": (json.dumps(PLAIN | {"format": "1"}), "format '1'"),
    "format true": (json.dumps(PLAIN | {"format": True}), "format True"),
    **{
        f"{name} is {value!r:.20}": (json.dumps(PLAIN | {name: value}), name)
        for name, values in {
            "instance": (None, 3, ["a"], {"x": 1}, "\ud800"),
            "role": (None, 1, ["producer"], "broker", {}),
            "group": (3, ["g"], "", "\udfff", {"g": 1}),
            "run": (None, "7", 1.5, True, -1, 2**64, [7]),
            "isolation": (3, "serializable", ["read_committed"]),
            "identity": (3, "name", {}),
            "closed": ("yes", 1, []),
            "topics": ("orders", [3], [""], ["^orders.*"], {"orders": 1}, ["a\nb"], ["x" * 250]),
            "drained": (True, 3, ["yes"]),
            "rows": ("3", -1, 1.5, 2**63),
            "torn": ("3", -1),
            "sealed": ("yes", {}, {"bytes": 1}, {"bytes": "1", "crc32": 1}),
        }.items()
        for value in values
    },
}


@pytest.mark.parametrize("shape", META_SHAPES)
def test_a_meta_that_is_none_is_one_line(tmp_path: Path, shape: str) -> None:
    content, said = META_SHAPES[shape]
    write(tmp_path, CSV, HEAD + ROW_TEXT)
    (tmp_path / META).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert said in refused(tmp_path, names=META)


def csv(**fields: object) -> str:
    row = {"event": "DELIVERED", "cluster": "source", "topic": "orders", "partition": 0, "offset": 7} | {
        "key": "k",
        "sequence": 7,
        "time_ns": 1,
    }
    return HEAD + ",".join(str(value) for value in (row | fields).values()) + "\n"


CSV_SHAPES: dict[str, tuple[str | bytes, str]] = {
    "cut in the header": (HEAD[:25], "unknown column 'parti'"),
    "cut in the header's last name": (HEAD[:-4], "line 1 does not end with a line break"),
    "cut before the last field": (HEAD + ROW_TEXT[:-21], "line 2: 7 fields where the header has 8"),
    "cut inside the last field": (HEAD + ROW_TEXT[:-5], "line 2 does not end with a line break"),
    "cut before the line break": (HEAD + ROW_TEXT[:-1], "line 2 does not end with a line break"),
    "cut inside a quote": (HEAD + ROW_TEXT + 'SENT,source,orders,0,1,"cust', "line 3 is not CSV"),
    "too many fields": (HEAD + ROW_TEXT[:-1] + ",1\n", "line 2: 9 fields"),
    "too few fields": (HEAD + "SENT,source\n" + ROW_TEXT, "line 2: 2 fields"),
    "semicolons": (HEAD.replace(",", ";"), "columns are separated by commas"),
    "tabs": (HEAD.replace(",", "\t"), "columns are separated by commas"),
    "no header": (ROW_TEXT * 2, "unknown column 'DELIVERED'"),
    "a column twice": (HEAD[:-1] + ",offset\n", "column 'offset' is there twice"),
    "a column too few": ("event,topic,time_ns\n", "column 'partition' is missing"),
    "no time": ("event,topic,partition\n", "column 'time' is missing"),
    "UTF-16": (HEAD.encode("utf-16"), "is it CSV in UTF-8?"),
    "zeros": (bytes(100), "is it CSV in UTF-8?"),
    "zeros at the end": (HEAD + ROW_TEXT + "\0" * 100, "line 3: 1 fields"),
    "Parquet": (b"PAR1\x15\x04\x15\x80" * 50, "unknown column"),
    "a huge field": (csv(key="k" * 200_000), "field larger than field limit"),
    "bytes in a topic": (HEAD.encode() + b"SENT,source,\xff\xfe,0,1,k,1,1\n", "topic is '\\udcff\\udcfe'"),
    "bytes in a number": (HEAD.encode() + b"SENT,source,o,\xff,1,k,1,1\n", "partition is '\\udcff'"),
    "a line break in a topic": (csv(topic='"a\nb"'), "topic is 'a\\nb'"),
    "no topic": (csv(topic=""), "field 'topic' is missing"),
    "no event": (csv(event=""), "field 'event' is missing"),
    "an unknown event": (csv(event="READ"), "unknown event 'READ'"),
    "an event of no number": (csv(event="\u00b2"), "unknown event"),
    "event 9": (csv(event=9), "unknown event '9'"),
    "an unknown cluster": (csv(cluster="east"), "unknown cluster 'east'"),
    "cluster 7": (csv(cluster=7), "unknown cluster '7'"),
    "partition -1": (csv(partition=-1), "partition is -1"),
    "partition 2^31": (csv(partition=2**31), "partition is 2147483648"),
    "partition 0.5": (csv(partition=0.5), "partition is '0.5'"),
    "offset -2": (csv(offset=-2), "offset is -2"),
    "offset 2^63": (csv(offset=2**63), "offset is 9223372036854775808"),
    "sequence -2": (csv(sequence=-2), "sequence is -2"),
    "sequence 2^63": (csv(sequence=2**63), "sequence is"),
    "underscores in a number": (csv(offset="1_000"), "offset is '1_000'"),
    "digits without end": (csv(offset="9" * 10_000), "offset is '999"),
    "digits of another script": (csv(offset="\u0663"), "offset is"),
    "time 2^63": (csv(time_ns=2**63), "time_ns is"),
    "time nan": (csv(time_ns="nan"), "time_ns is 'nan'"),
    "time in words": ("event,topic,partition,time\nASSIGNED,o,0,noon\n", "time is 'noon'"),
    "time before 1677": ("event,topic,partition,time\nASSIGNED,o,0,0001-01-01T00:00:00Z\n", "1677"),
    "time at the end of days": ("event,topic,partition,time\nASSIGNED,o,0,9999-12-31T23:59:59-14:00\n", "2262"),
    "a sent record without a sequence": (csv(event="SENT", sequence=""), "field 'sequence' is missing"),
    "fewer rows than it says": (HEAD + ROW_TEXT, "1 rows, but its ledger.json says 2"),
}


@pytest.mark.parametrize("shape", CSV_SHAPES)
def test_a_csv_that_is_none_is_one_line(tmp_path: Path, shape: str) -> None:
    content, said = CSV_SHAPES[shape]
    write(tmp_path, CSV, content, **({"rows": 2} if shape.startswith("fewer") else {}))
    assert said in refused(tmp_path, names=CSV)


JSON_SHAPES = {
    "nested": (DEEP, "nested too deep"),
    "a number": ("7", "not a JSON object"),
    "cut": (json.dumps(ENTRY)[:-3], "not JSON"),
    "an unknown field": (json.dumps({"when": 1}), "unknown field 'when'"),
    "a huge number": ('{"offset": ' + "9" * 5000 + "}", "not JSON"),
    **{
        f"{name} is {value!r:.20}": (json.dumps(ENTRY | {name: value}), name)
        for name, values in {
            "event": (True, 4.0, [], {}, 0, -1, "\ud800"),
            "topic": (3, [], {"a": 1}, True, "\ud800", "\udcff", "a\u0000b"),
            "partition": (True, 1.0, [], "x", -1, 2**31),
            "offset": (True, 1e300, [], -2, 2**63),
            "sequence": (True, 0.5, {}, -2, 2**63),
            "stream": (-1, 2**64, True, "k"),
            "key": (True, 1.5, [], {}, "\ud800"),
            "time_ns": (True, 1e18, [], "now", 2**63),
            "cluster": (True, 3, [], {}),
        }.items()
        for value in values
    },
}


@pytest.mark.parametrize("shape", JSON_SHAPES)
def test_a_line_of_json_that_is_no_event_is_one_line(tmp_path: Path, shape: str) -> None:
    content, said = JSON_SHAPES[shape]
    write(tmp_path, JSON_LINES, content + "\n")
    found = refused(tmp_path, names=JSON_LINES)
    assert said in found
    assert "line 1" in found


def fifo(path: Path) -> None:
    os.mkfifo(path)


def dangling(path: Path) -> None:
    path.symlink_to("/nowhere/at/all")


def circular(path: Path) -> None:
    path.symlink_to(path)


def unreadable(path: Path) -> None:
    path.symlink_to("/proc/self/mem")  # root may open it, and every read fails


def device(path: Path) -> None:
    path.symlink_to("/dev/null")


ODD_FILES: dict[str, Callable[[Path], None]] = {
    "folder": Path.mkdir, "fifo": fifo, "dangling": dangling, "circular": circular, "unreadable": unreadable,
    "device": device,
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD_FILES)
@pytest.mark.parametrize("name", [META, CSV, JSON_LINES, JOURNAL, SEALED, NAMES])
def test_what_is_no_file_is_one_line(tmp_path: Path, kind: str, name: str) -> None:
    write(tmp_path, None)
    if name == NAMES:
        shutil.rmtree(tmp_path)
        ledger = LedgerWriter(tmp_path, instance="a", role="consumer", group="g", run=1)
        ledger.delivered("orders", 0, 0, 1, 0, 0)
        ledger.close()
    (tmp_path / name).unlink(missing_ok=True)
    ODD_FILES[kind](tmp_path / name)
    refused(tmp_path, names=name)


def test_a_folder_that_cannot_be_listed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a", CSV, HEAD + ROW_TEXT)
    closed = tmp_path / "b"
    closed.mkdir()
    scan = os.scandir

    def scandir(path: str) -> object:
        if str(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("os.scandir", scandir)  # modes do not stop root
    assert "cannot be listed: Permission denied" in refused(tmp_path, names=str(closed))


def test_events_without_an_owner_are_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a", CSV, HEAD + ROW_TEXT)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / CSV).write_text(HEAD + ROW_TEXT)
    assert "has events.csv but no ledger.json" in refused(tmp_path, names="/b")


def test_a_process_that_was_killed_before_its_first_row_is_no_ledger(tmp_path: Path) -> None:
    write(tmp_path / "a", CSV, HEAD + ROW_TEXT)
    LedgerWriter(tmp_path / "b", instance="b", role="consumer", group="g", run=1)
    (tmp_path / "b" / META).unlink()
    assert [ledger.label for ledger in read_ledgers(tmp_path).instances] == ["a"]


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "a", CSV, HEAD + ROW_TEXT)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a").symlink_to(tmp_path / "elsewhere" / "a")
    (tmp_path / "run" / "again").symlink_to(tmp_path / "elsewhere" / "a")
    (tmp_path / "run" / "above").symlink_to(tmp_path / "run")
    assert len(read_ledgers(tmp_path / "run").instances) == 1


def test_a_ledger_of_a_row_of_restarts_that_is_gone_is_named(tmp_path: Path) -> None:
    for name in ("a", "a~2", "a~4"):
        write(tmp_path / "ledger" / name, CSV, HEAD + ROW_TEXT)
    assert read_ledgers(tmp_path / "ledger").absent == ("a~3",)
    (tmp_path / "ledger" / "a~3").mkdir()  # killed before it had begun
    assert read_ledgers(tmp_path / "ledger").absent == ()


NAMES_SHAPES: dict[str, str | bytes] = {
    "nested": DEEP,
    "not JSON": '{"topic": 0, "name"',
    "a list": "[1]",
    "not UTF-8": b'{"topic": 0, "name": "\xff"}',
    "a number for a name": '{"topic": 0, "name": 3}',
    "no number": '{"name": "orders"}',
    "another number": '{"topic": 7, "name": "orders"}',
    "a name that is none": '{"topic": 0, "name": "a\\u0000"}',
    "no key": '{"topic": 0, "name": "orders"}\n{"stream": "0000000000000001"}',
    "a key that is not base64": (
        '{"topic": 0, "name": "orders"}\n{"stream": "0000000000000001", "topic": "o", "key": "a", "partition": 0}'
    ),
    "a partition in words": (
        '{"topic": 0, "name": "orders"}\n{"stream": "0000000000000001", "topic": "o", "key": "", "partition": "x"}'
    ),
}


@pytest.mark.parametrize("shape", NAMES_SHAPES)
def test_names_that_are_none_are_one_line(tmp_path: Path, shape: str) -> None:
    ledger = LedgerWriter(tmp_path / "a", instance="a", role="consumer", group="g", run=1)
    ledger.delivered("orders", 0, 0, 1, 0, 0)
    ledger.close()
    content = NAMES_SHAPES[shape]
    (tmp_path / "a" / NAMES).write_bytes((content if isinstance(content, bytes) else content.encode()) + b"\n")
    refused(tmp_path, names=NAMES)


JOURNAL_ROWS = {
    "event": (9, 0, 7, 1, 0, 0, 0, 9),
    "topic": (9, 0, 7, 1, 0, 1, 0, 4),
    "cluster": (9, 0, 7, 1, 0, 0, 2, 4),
    "partition": (9, 0, 7, 1, -1, 0, 0, 4),
    "offset": (-2, 0, 7, 1, 0, 0, 0, 4),
    "sequence": (9, -2, 7, 1, 0, 0, 0, 4),
}


@pytest.mark.parametrize("field", JOURNAL_ROWS)
def test_a_journal_with_a_number_that_nobody_writes_is_one_line(tmp_path: Path, field: str) -> None:
    ledger = LedgerWriter(tmp_path, instance="a", role="consumer", group="g", run=1)
    ledger.delivered("orders", 0, 0, 1, 0, 0)
    ledger.close()
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(ROW.pack(*JOURNAL_ROWS[field]))
    assert f"{field} " in refused(tmp_path, names=JOURNAL)


def test_a_journal_cut_at_any_byte_is_told_or_whole(tmp_path: Path) -> None:
    ledger = LedgerWriter(tmp_path, instance="a", role="consumer", group="g", run=1)
    for n in range(3):
        ledger.delivered("orders", 0, n, 1, n, 0)
    ledger.close()
    path = tmp_path / JOURNAL
    whole = path.read_bytes()
    assert len(whole) == HEADER_SIZE + 3 * ROW.size
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        refused(tmp_path, names=JOURNAL)


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


def test_a_sealed_ledger_with_any_byte_flipped_or_cut_off_is_told(sealed: Path) -> None:
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


def test_keys_and_marks_that_are_no_mistakes(tmp_path: Path) -> None:
    key = b"caf\xe9,\x00\xff"
    quoted = b'"' + key + b'"'
    text = b"\xef\xbb\xbf" + HEAD.encode() + b"DELIVERED,source,orders,0,7," + quoted + b",7,1\r\n\r\n"
    write(tmp_path / "csv", CSV, text)
    line = json.dumps(ENTRY | {"key": key.decode("utf-8", "surrogateescape")})
    write(tmp_path / "json", JSON_LINES, "\ufeff" + line)
    csv_ledger, json_ledger = (read_ledger(tmp_path / name) for name in ("csv", "json"))
    streams = [ledger.rows.records(*ALL_STREAMS).stream for ledger in (csv_ledger, json_ledger)]
    assert streams[0].tolist() == streams[1].tolist()
    assert csv_ledger.names(streams[0].tolist())[int(streams[0][0])].key == key


@pytest.mark.parametrize("group", ["Billing_2", "a,b", "[x](y)", "../../etc", "a/b", ":smile:", "x\\", "grün <b>&amp;"])
def test_a_groups_name_may_be_anything(tmp_path: Path, group: str) -> None:
    write(tmp_path, CSV, HEAD + ROW_TEXT, group=group)
    assert read_ledgers(tmp_path).instances[0].meta.group == group
