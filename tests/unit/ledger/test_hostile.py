"""Ledgers in shapes that nobody should write: each is one line that names the file, and never a traceback."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cutover_harness.ledger import LedgerWriter, read_ledger, read_ledgers
from cutover_harness.ledger.columns import ALL_STREAMS
from cutover_harness.ledger.format import CSV, HEADER_SIZE, JOURNAL, JSON_LINES, META, NAMES, ROW, SEALED

from tests.unit.ledger.hostile import DEEP, HEAD, PLAIN, ROW_TEXT, refused, write

ENTRY = {"event": "DELIVERED", "topic": "orders", "partition": 0, "sequence": 0, "time_ns": 1}
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
def test_a_damaged_meta_is_one_line(tmp_path: Path, shape: str) -> None:
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
    "cut before the last field": (HEAD + ROW_TEXT[:-21], "line 2: 7 fields, but the header has 8"),
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
def test_a_damaged_csv_is_one_line(tmp_path: Path, shape: str) -> None:
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
def test_path_that_is_no_file_is_one_line(tmp_path: Path, kind: str, name: str) -> None:
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
def test_journal_with_an_invalid_number_is_one_line(tmp_path: Path, field: str) -> None:
    ledger = LedgerWriter(tmp_path, instance="a", role="consumer", group="g", run=1)
    ledger.delivered("orders", 0, 0, 1, 0, 0)
    ledger.close()
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(ROW.pack(*JOURNAL_ROWS[field]))
    assert f"{field} " in refused(tmp_path, names=JOURNAL)


def test_journal_truncated_at_any_byte_is_reported_or_complete(tmp_path: Path) -> None:
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
def test_group_may_have_any_name(tmp_path: Path, group: str) -> None:
    write(tmp_path, CSV, HEAD + ROW_TEXT, group=group)
    assert read_ledgers(tmp_path).instances[0].meta.group == group
