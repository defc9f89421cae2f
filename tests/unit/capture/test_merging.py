"""One capture of those of several machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cutover_harness.capture import CaptureInfo, CaptureReader, CaptureWriter, TopicInfo, record_batch
from cutover_harness.capture.command import app
from cutover_harness.capture.format import CaptureError
from cutover_harness.capture.merging import merge
from cutover_harness.capture.options import RecordOptions, Shard
from cutover_harness.capture.parts import State
from cutover_harness.errors import UsageError
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

Row = tuple[str, int, int, int]
BEGIN = 1_700_000_000_000


def write(path: Path, rows: list[Row], shard: str | None, state: State | None = None, **notes: str) -> Path:
    """Write a capture as a recorder does: rows (topic, partition, offset, timestamp) by due time."""
    state = state or State({"topics": ["*"], "shard": shard}, 0.0, "")
    largest: dict[tuple[str, int], int] = {}
    due = []
    for topic, partition, offset, stamp in sorted(rows, key=lambda row: row[:3]):
        at = largest[topic, partition] = max(stamp, largest.get((topic, partition), 0))
        due.append((at, offset, (topic, partition, offset, stamp)))
    ordered = [row for _, _, row in sorted(due)]
    topics = {topic: TopicInfo(4) for topic, *_ in rows} or {"a": TopicInfo(4)}
    with CaptureWriter(path) as writer:
        for at in range(0, len(ordered), 3):  # many row groups
            part = ordered[at : at + 3]
            names, numbers, offsets, times = ([row[n] for row in part] for n in range(4))
            values = [b"%s-%d-%d" % (topic.encode(), p, offset) for topic, p, offset, _ in part]
            kinds, none = [1] * len(part), [None] * len(part)
            writer.write(record_batch(names, numbers, offsets, times, kinds, none, values, none))  # type: ignore[arg-type]
        found = {"shard": shard} if shard else {}
        writer.close(CaptureInfo("2026-01-01", topics, notes={**found, "resume": state.to_json(), **notes}))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    with CaptureReader(path) as reader:
        return [row for batch in reader.batches() for row in batch.to_pylist()]


def due_times(rows: list[dict[str, Any]]) -> list[int]:
    largest: dict[tuple[str, int], int] = {}
    found = []
    for row in rows:
        where = row["topic"], row["partition"]
        largest[where] = max(largest.get(where, 0), row["timestamp"])
        found.append(largest[where])
    return found


stamps = st.lists(st.integers(-50, 50), max_size=25)


@given(st.lists(stamps, min_size=4, max_size=4), st.integers(2, 3))
def test_a_merged_capture_has_every_record_in_the_order_of_time(
    tmp_path_factory: pytest.TempPathFactory, partitions: list[list[int]], count: int
) -> None:
    folder = tmp_path_factory.mktemp("merged")
    rows = [("t", p, n, BEGIN + 10 * n + jump) for p, its in enumerate(partitions) for n, jump in enumerate(its)]
    files = []
    for number in range(1, count + 1):
        shard = Shard(number, count)
        mine = [("u", number, 0, BEGIN), *(row for row in rows if shard.has(row[:2]))]
        files.append(write(folder / f"{number}.parquet", mine, str(shard)))
    merged = merge(files, folder / "all.parquet")
    found = read(folder / "all.parquet")
    assert merged.missing == ()
    assert merged.records == len(found) == len(rows) + count
    assert sorted(row["value"] for row in found if row["topic"] == "t") == sorted(
        b"t-%d-%d" % (p, n) for _, p, n, _ in rows
    )
    due = due_times(found)
    assert due == sorted(due)
    for partition in range(4):
        offsets = [row["offset"] for row in found if (row["topic"], row["partition"]) == ("t", partition)]
        assert offsets == sorted(offsets)


def test_every_partition_is_in_one_shard() -> None:
    for count in (1, 2, 3, 7):
        shards = [Shard(number, count) for number in range(1, count + 1)]
        for topic in ("orders", "payments"):
            owners = [[each for each in shards if each.has((topic, p))] for p in range(21)]
            assert all(len(each) == 1 for each in owners)
            sizes = [sum(shard in each for each in owners) for shard in shards]
            assert max(sizes) - min(sizes) <= 1
    assert RecordOptions(("t",)).has(("t", 5))
    assert RecordOptions(("t",), shard=Shard(1, 2)).asked()["shard"] == "1/2"
    assert "shard" not in RecordOptions(("t",)).asked(), "recordings of earlier versions can be resumed"


def test_a_shard_that_is_not_given_is_missing(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.parquet", [("t", n, 0, BEGIN)], f"{n}/3", missing=f"t-{n}: gone") for n in (1, 3)]
    out = tmp_path / "all.parquet"
    done = CliRunner().invoke(app, ["--merge", *map(str, files), "-o", str(out)], standalone_mode=False)
    assert done.return_value == 3
    assert "missing: t-1: gone; t-3: gone; shard 2/3" in done.output
    with CaptureReader(out) as reader:
        assert reader.info.notes == {"missing": "t-1: gone; t-3: gone; shard 2/3", "merged": "2 shards"}


def test_metadata_of_all_shards(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.parquet", [(f"t{n}", n, 0, BEGIN)], f"{n}/2", masked="all") for n in (1, 2)]
    assert merge(files, tmp_path / "all.parquet").records == 2
    with CaptureReader(tmp_path / "all.parquet") as reader:
        assert reader.info.topics.keys() == {"t1", "t2"}
        assert reader.info.notes == {"masked": "all", "merged": "2 shards"}


@pytest.mark.parametrize(
    ("shards", "partitions", "words"),
    [
        (["1/2"], [0], "give the captures of all shards; found 1"),
        (["1/2", "1/2"], [0, 1], "shard 1/2 is given twice, the other one is "),
        (["1/2", "2/3"], [0, 1], "shards of different recordings: "),
        (["1/2", None], [0, 1], "is no shard of a recording: record each with --shard I/N"),
        (["1/2", "2/2"], [1, 1], "has records of t-1, and so has "),
        (["1/2", "2/x"], [0, 1], "its shard is '2/x', expected I/N: record it again"),
        (["1/2", "5/2"], [0, 1], "its shard is '5/2', expected I/N: record it again"),
    ],
)
def test_captures_that_do_not_belong_together_are_refused(
    tmp_path: Path, shards: list[str | None], partitions: list[int], words: str
) -> None:
    files = [
        write(tmp_path / f"{n}.parquet", [("t", partition, 0, BEGIN)], shard)
        for n, (shard, partition) in enumerate(zip(shards, partitions, strict=True))
    ]
    with pytest.raises(CaptureError, match=words):
        merge(files, tmp_path / "all.parquet")
    assert not (tmp_path / "all.parquet").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files)


def test_nothing_is_overwritten_and_a_file_is_given_once(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", [("t", 0, 0, BEGIN)], "1/2")
    with pytest.raises(CaptureError, match="the same file is given twice"):
        merge([one, one], tmp_path / "all.parquet")
    with pytest.raises(CaptureError, match="exists already"):
        merge([one, one], one)
    with pytest.raises(CaptureError, match="no such file"):
        merge([one, tmp_path / "2.parquet"], tmp_path / "all.parquet")


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "1/2/3", "-1/2", "a/b", "1/99999"])
def test_a_shard_is_one_of_so_many(text: str) -> None:
    done = CliRunner().invoke(app, ["t", "-o", "x", "--bootstrap", "h:1", "--shard", text])
    assert isinstance(done.exception, UsageError)
    assert "expected I/N, such as 1/3" in str(done.exception)


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--mask", "all"], "needs the same --mask-key for all shards"), (["--max-records", "5"], "exclude each other")],
)
def test_shards_that_could_not_be_merged_are_refused(options: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["t", "-o", "x", "--bootstrap", "h:1", "--shard", "1/2", *options])
    assert isinstance(done.exception, UsageError)
    assert words in str(done.exception)


def asked(number: int, ids: dict[str, str] | None = None, **options: Any) -> State:
    return State({"topics": ["t"], "mask": None, "shard": f"{number}/2", **options}, 0.0, "", ids=ids or {})


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (asked(2, topics=["u"]), r"\S+ has topics t, \S+ topics u"),
        (asked(2, mask="all"), r"\S+ has no --mask, \S+ --mask all"),
        (asked(2, {"t": "id-2"}), r"topic t of \S+ and of \S+ have different ids \(id-2, id-1\)"),
    ],
)
def test_shards_of_another_recording_are_refused(tmp_path: Path, state: State, words: str) -> None:
    one = write(tmp_path / "1.parquet", [("t", 0, 0, BEGIN)], "1/2", asked(1, {"t": "id-1"}))
    two = write(tmp_path / "2.parquet", [("t", 1, 0, BEGIN)], "2/2", state)
    with pytest.raises(CaptureError, match=f"shards of different recordings: {words}"):
        merge([one, two], tmp_path / "all.parquet")
    same = write(tmp_path / "3.parquet", [("t", 1, 0, BEGIN)], "2/2", asked(2, {"t": "id-1"}))
    assert merge([one, same], tmp_path / "all.parquet").missing == ()


def test_a_topic_that_was_recreated_during_the_recording_is_merged(tmp_path: Path) -> None:
    later = asked(2, {"t": "id-2"})
    later.closed = ["t"]
    one = write(tmp_path / "1.parquet", [("t", 0, 0, BEGIN)], "1/2", asked(1, {"t": "id-1"}))
    two = write(tmp_path / "2.parquet", [("t", 1, 0, BEGIN)], "2/2", later, missing="t: recreated")
    assert merge([one, two], tmp_path / "all.parquet").missing == ("t: recreated",)


def test_a_shard_without_its_state_is_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", [("t", 0, 0, BEGIN)], "1/2")
    two = write(tmp_path / "2.parquet", [("t", 1, 0, BEGIN)], "2/2", resume="{}")
    with pytest.raises(CaptureError, match=r"2\.parquet: invalid resume state \(KeyError"):
        merge([one, two], tmp_path / "all.parquet")


def test_the_rest_of_a_shard_that_was_interrupted_is_missing(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", [("t", 0, 0, BEGIN)], "1/2", interrupted="stopped before its end")
    two = write(tmp_path / "2.parquet", [("t", 1, 0, BEGIN)], "2/2")
    merged = merge([one, two], tmp_path / "all.parquet")
    assert merged.missing == ("the rest of shard 1/2 (stopped before its end)",)


@pytest.mark.parametrize(
    "option",
    [
        ["--bootstrap", "h:1"],
        ["--mask", "values"],
        ["--mask-key", "key"],
        ["--exclude", "u"],
        ["--shard", "1/2"],
        ["--resume"],
        ["--max-records", "5"],
        ["--read-committed"],
    ],
)
def test_options_of_a_recording_do_not_apply_to_a_merge(tmp_path: Path, option: list[str]) -> None:
    files = [write(tmp_path / f"{n}.parquet", [("t", n, 0, BEGIN)], f"{n}/2") for n in (1, 2)]
    out = tmp_path / "all.parquet"
    done = CliRunner().invoke(app, ["--merge", *map(str, files), "-o", str(out), *option])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith(f"record: --merge and {option[0]} exclude each other")
    assert not out.exists()
