"""Segments become one capture in the one order, however they overlap; an unfinished recording can be gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from cutover_harness.capture import CaptureError, CaptureInfo, CaptureReader, TopicInfo
from cutover_harness.capture import merge as merge_module
from cutover_harness.capture.merge import SEGMENT_SCHEMA, Merge, Segment
from cutover_harness.capture.segments import Assembly, Parts, Progress, State
from cutover_harness.capture.writer import header_array
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Row = tuple[int, int, int]  # partition, timestamp, number within the partition


def batch(rows: list[Row], largest: dict[int, int]) -> pa.RecordBatch:
    due = []
    for partition, stamp, _ in rows:
        largest[partition] = max(stamp, largest.get(partition, stamp))
        due.append(largest[partition])
    count = len(rows)
    arrays = [
        pa.array(["t"] * count).dictionary_encode(),
        pa.array([p for p, _, _ in rows], pa.int32()),
        pa.array([o for _, _, o in rows], pa.int64()),
        pa.array([s for _, s, _ in rows], pa.int64()),
        pa.array([1] * count, pa.int8()),
        pa.nulls(count, pa.binary()),
        pa.array([b"x" * 10] * count, pa.binary()),
        header_array([None] * count),
        pa.array(due, pa.int64()),
    ]
    return pa.record_batch(arrays, schema=SEGMENT_SCHEMA)


def new_state(**more: Any) -> State:
    info = CaptureInfo("now", {"t": TopicInfo(8)})
    return State({"topics": ["t"]}, 0.0, info.to_json(), {"t": {"0": Progress(0, None, 0)}}, **more)


def build(folder: Path, segments: list[list[Row]], *, on_the_way: bool = False) -> Path:
    """Record segments; `on_the_way`: the capture is written as far as it is certain after each of them."""
    out = folder / "c.parquet"
    out.unlink(missing_ok=True)
    parts, state = Parts(out), new_state()
    parts.create(state)
    largest: dict[int, int] = {}
    batches = [batch(rows, largest) for rows in segments]
    firsts = [min(each.column("due").to_pylist()) for each in batches]
    with Assembly(out, []) as assembly:
        for number, each in enumerate(batches):
            segment = parts.add(state, [each])
            state.records += len(each)
            assembly.add(segment, min(firsts[number + 1 :], default=0) if on_the_way else 0)
            assert not out.exists()
        state.partitions["t"]["0"].largest = max(largest.values())
        parts.save(state)
        assert parts.finish(state, assembly) == state.records
    assert not parts.folder.exists()
    return out


def read(path: Path) -> list[Row]:
    with CaptureReader(path) as reader:
        return [(r["partition"], r["timestamp"], r["offset"]) for b in reader.batches() for r in b.to_pylist()]


stream = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), min_size=1, max_size=60)


@given(stream, st.lists(st.integers(1, 12), min_size=60, max_size=60), st.booleans(), st.integers(1, 5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_segments_merge_into_the_one_order(
    tmp_path: Path, records: list[tuple[int, int]], cuts: list[int], on_the_way: bool, size: int
) -> None:
    numbers: dict[int, int] = {}
    rows: list[Row] = []
    for partition, stamp in records:
        rows.append((partition, stamp, numbers.get(partition, 0)))
        numbers[partition] = numbers.get(partition, 0) + 1
    segments, at = [], 0
    for cut in cuts:
        if at < len(rows):
            segments.append(rows[at : at + cut])
        at += cut
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge_module, "ROWS", size)
        found = read(build(tmp_path, segments, on_the_way=on_the_way))
    assert sorted(found) == sorted(rows)
    largest: dict[int, int] = {}
    due = []
    for partition in range(4):
        offsets = [o for p, _, o in found if p == partition]
        assert offsets == sorted(offsets), "a partition's own order was changed"
    for partition, stamp, _ in found:
        largest[partition] = max(stamp, largest.get(partition, stamp))
        due.append(largest[partition])
    assert due == sorted(due)
    running = -1
    for (_, stamp, _), at_due in zip(found, due, strict=True):
        running = max(running, stamp)
        assert running == at_due, "the largest timestamp so far is the due time"


def written(folder: Path, segments: list[list[Row]]) -> list[Segment]:
    parts, state = Parts(folder / "c.parquet"), new_state()
    parts.create(state)
    largest: dict[int, int] = {}
    return [parts.add(state, [batch(rows, largest)]) for rows in segments]


@pytest.mark.parametrize(("step", "most"), [(20, 1), (0, 30)], ids=["one after the other", "all at once"])
def test_only_segments_that_overlap_are_open_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, most: int
) -> None:
    opened: list[int] = []
    monkeypatch.setattr(merge_module, "ROWS", 5)
    merge = Merge()
    for segment in written(tmp_path, [[(n % 4, n * step + m, m) for m in range(10)] for n in range(30)]):
        merge.add(segment)
    for table in merge.tables(None):
        opened.append(len(merge._runs))
        assert len(table) <= 5
    assert max(opened) == most


def test_what_is_not_certain_is_held_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_module, "ROWS", 2)
    merge = Merge()
    first, second = written(tmp_path, [[(0, n, n) for n in range(9)], [(1, n, n) for n in range(4, 12)]])
    merge.add(first)
    assert [len(t) for t in merge.tables(4)] == [2, 2], "0, 1, 2, 3"
    merge.add(second)
    assert [len(t) for t in merge.tables(5)] == [2], "4, 4"
    rest = [row for t in merge.tables(None) for row in t.column("due").to_pylist()]
    assert rest == sorted([*range(5, 9), *range(5, 12)])


def test_a_recording_that_breaks_leaves_no_half_capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_module, "ROWS", 2)
    segments = written(tmp_path, [[(0, n, n) for n in range(9)]])
    with Assembly(tmp_path / "c.parquet", []) as assembly:
        assembly.add(segments[0], 8)
        assert len(list(tmp_path.iterdir())) == 2, "the segments, and what is certain of the capture"
    assert [each.name for each in tmp_path.iterdir()] == [".c.parquet.parts"]


def test_a_finished_capture_is_gone_on_with(tmp_path: Path) -> None:
    out = build(tmp_path, [[(0, 10, 0), (1, 30, 0)], [(0, 20, 1)]])
    parts = Parts(out)
    state = parts.reopen()
    assert state.asked == {"topics": ["t"]}
    state.info = new_state().info
    parts.add(state, [batch([(0, 25, 2), (1, 40, 1)], {})])
    state.records += 2
    assert out.exists(), "the shorter capture stays until the longer one takes its place"
    parts.finish(state)
    assert read(out) == [(0, 10, 0), (0, 20, 1), (0, 25, 2), (1, 30, 0), (1, 40, 1)]


def test_nothing_recorded_is_said(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "c.parquet")
    state = new_state()
    parts.create(state)
    with pytest.raises(CaptureError, match="nothing was recorded"):
        parts.finish(state)
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_is_none_is_named(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "c.parquet")
    parts.create(new_state())
    (parts.folder / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(CaptureError, match=r"state\.json cannot be used"):
        parts.reopen()
