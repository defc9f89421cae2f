"""What an instance replays of a capture: its share, its slice, its copies, in order."""

from __future__ import annotations

import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from cutover_harness.capture import CaptureError, CaptureReader
from cutover_harness.ledger.identity import stream_id
from cutover_harness.replay.config import ProducerConfig, ReplayOptions, Share
from cutover_harness.replay.records import Records, binary_list, copy_key, header_lists, replay, schedule_of

from .conftest import MakeCapture, Rows

START = 1_800_000_000_000_000_000


def some_rows(count: int = 500) -> Rows:
    chance = random.Random(7)  # noqa: S311 - the same traffic each time
    return [
        (
            chance.choice(["a", "b"]),
            chance.randrange(3),
            chance.choice([None, b"", b"k1", b"k2", b"k%d" % (n % 40)]),
            1000 + n // 3,
        )
        for n in range(count)
    ]


def read(
    path: Path, share: Share | None = None, skip: int = 0, loops: int = 1, **options: Any
) -> list[tuple[Any, ...]]:
    out: list[tuple[Any, ...]] = []
    with CaptureReader(path) as reader:
        chosen = ReplayOptions(capture=path, loop=loops > 1, **options)
        schedule = schedule_of(reader, chosen, START)
        total = None
        for records in replay(reader, chosen, share or Share(), schedule, skip=skip):
            out += rows_of(records)
            if loops > 1:
                total = total or len(read(path, share, **options))
                if len(out) >= loops * total - skip:
                    break
    return out


def rows_of(r: Records) -> list[tuple[Any, ...]]:
    return list(zip(r.topics, r.partitions, r.keys, r.values, r.headers, r.streams, r.due_ns, r.stamps_ms, strict=True))


FIRST_BATCH = """
import sys
from pathlib import Path
from cutover_harness.capture import CaptureReader
from cutover_harness.replay.config import ReplayOptions, Share
from cutover_harness.replay.producer import replay, schedule_of, warm_up
if sys.argv[2] == "warm":
    warm_up()
options = ReplayOptions(capture=Path(sys.argv[1]))
with CaptureReader(options.capture) as reader:
    schedule = schedule_of(reader, options, 0)
    before = set(sys.modules)
    next(replay(reader, options, Share(), schedule))
    print(len(set(sys.modules) - before))
"""


@pytest.mark.parametrize("state", ["warm", "cold"])
def test_once_warm_the_first_batch_imports_nothing(make_capture: MakeCapture, state: str) -> None:
    command = [sys.executable, "-c", FIRST_BATCH, str(make_capture(some_rows())), state]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (int(done.stdout) == 0) == (state == "warm"), done.stdout


def test_all_of_it_in_order(make_capture: MakeCapture) -> None:
    rows = some_rows()
    found = read(make_capture(rows))
    assert [(t, p, k) for t, p, k, *_ in found] == [(t, p, k) for t, p, k, _ in rows]
    assert [v for _, _, _, v, *_ in found] == [None if n % 5 == 4 else b"v%d" % n for n in range(len(rows))]
    assert [h for *_, h, _, _, _ in found] == [
        [("h", b"%d" % n), ("x", None)] if n % 3 == 0 else None for n in range(len(rows))
    ]
    assert [s for *_, s, _, _ in found] == [stream_id(t, k, p) for t, p, k, _ in rows]
    assert [(d - START) // 1_000_000 for *_, d, _ in found] == [t - 1000 for *_, t in rows]


@pytest.mark.parametrize("of", [2, 3, 7])
def test_shares_split_by_stream_and_lose_nothing(make_capture: MakeCapture, of: int) -> None:
    path = make_capture(some_rows())
    whole = read(path)
    shares = [read(path, Share(index=index, of=of)) for index in range(of)]
    assert sorted(map(repr, (row for share in shares for row in share))) == sorted(map(repr, whole))
    streams = [{row[5] for row in share} for share in shares]
    assert sum(map(len, streams)) == len(set().union(*streams)), "a stream in two shares would be reordered"
    for share in shares:
        assert share == [row for row in whole if row in share]


def test_a_slice_and_chosen_topics(make_capture: MakeCapture) -> None:
    path = make_capture([("a", 0, b"k", 1000), ("b", 0, b"k", 2000), ("a", 0, b"k", 3000), ("a", 0, b"k", 5000)])
    found = read(path, from_s=1, to_s=2)
    assert [(row[0], (row[6] - START) // 1_000_000) for row in found] == [("b", 0), ("a", 1000)]
    assert [(row[0], row[3]) for row in read(path, topics={"a": "copy.a"})] == [
        ("copy.a", b"v0"),
        ("copy.a", b"v2"),
        ("copy.a", b"v3"),
    ]
    with pytest.raises(CaptureError, match="has no topic 'c'"):
        read(path, topics={"c": "c"})
    with pytest.raises(CaptureError, match="is empty"):
        read(path, from_s=10)
    with pytest.raises(CaptureError, match="contain no records"):
        read(path, from_s=2.5, topics={"b": "b"})


def test_scale_multiplies_keys(make_capture: MakeCapture) -> None:
    path = make_capture([("a", 1, b"k", 1000), ("a", 2, None, 2000)])
    found = read(path, scale=3)
    assert [(p, k) for _, p, k, *_ in found] == [(1, b"k"), (1, b"k~1"), (1, b"k~2"), (2, None), (2, None), (2, None)]
    assert len({row[5] for row in found[:3]}) == 3
    assert [row[3] for row in found] == [b"v0"] * 3 + [b"v1"] * 3
    assert copy_key(None, 5) is None
    parts = [read(path, Share(index=index, of=2), scale=3) for index in range(2)]
    assert sorted(map(repr, parts[0] + parts[1])) == sorted(map(repr, found))


def test_loops_continue_in_time_and_sent_records_are_skipped(make_capture: MakeCapture) -> None:
    path = make_capture(some_rows(40))
    twice = read(path, loops=2)
    assert len(twice) == 80
    assert [row[:6] for row in twice[40:]] == [row[:6] for row in twice[:40]]
    assert all(a[6] <= b[6] for a, b in pairwise(twice))
    for skip in (0, 1, 19, 20, 21, 40, 55):
        assert read(path, skip=skip, loops=2) == twice[skip:]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None],
        [b""],
        [b"", None, b""],
        [b"a", None, b"bc", b""],
        [None, None],
        [b"x" * 9000, None, b"", b"y" * 9000],
    ],
)
def test_binary_columns_as_lists(values: list[bytes | None]) -> None:
    column = pa.array(values, pa.binary())
    assert binary_list(column) == values
    sliced = pa.array([b"before", *values, None, b"after"], pa.binary()).slice(1, len(values))
    assert binary_list(sliced) == values


def test_header_columns_as_lists() -> None:
    kind = pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))
    rows = [[{"name": "a", "value": b"1"}, {"name": "a", "value": None}], None, [], [{"name": "b", "value": b""}]]
    column = pa.array(rows, kind)
    wanted = [[("a", b"1"), ("a", None)], None, None, [("b", b"")]]
    assert header_lists(column) == wanted
    assert header_lists(column.slice(2)) == wanted[2:]
    assert header_lists(pa.nulls(2, kind)) == [None, None]


def test_configurations_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="counted from 0"):
        Share(index=2, of=2)
    common = {"instance": "p", "run": 1, "ledger": tmp_path, "replay": ReplayOptions(capture=tmp_path / "c")}
    with pytest.raises(ValueError, match="cutover_file is needed"):
        ProducerConfig(**common)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cluster is needed"):
        ProducerConfig(**common, use_shim=False)  # type: ignore[arg-type]
    config = ProducerConfig(**common, use_shim=False, cluster="source")  # type: ignore[arg-type]
    config.save(tmp_path / "p.json")
    assert ProducerConfig.load(tmp_path / "p.json") == config
