"""A shard that has no partition, or none with records, is an empty capture, and all shards together are complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.capture import CaptureInfo, CaptureReader, CaptureWriter, TopicInfo, record_batch, recorder, watch
from cutover_harness.capture.beginning import without_partition
from cutover_harness.capture.changes import Layout
from cutover_harness.capture.cluster import ClusterView
from cutover_harness.capture.command import app
from cutover_harness.capture.format import CaptureError
from cutover_harness.capture.merging import merge
from cutover_harness.capture.options import RecordOptions, Shard
from cutover_harness.capture.parts import Parts, State
from cutover_harness.capture.recorder import Recorder
from cutover_harness.types import PartitionId
from typer.testing import CliRunner


class View:
    """A cluster with topics of these partition counts, without a record."""

    notes: Mapping[str, str] = {}

    def __init__(self, topics: dict[str, int], later: dict[str, int] | None = None) -> None:
        self._topics = topics
        self._later = later or topics

    def partitions(self, *_: object) -> dict[str, int]:
        return self._topics

    def layout(self, *_: object) -> Layout:
        return Layout(self._later, {})

    def ids(self, *_: object) -> dict[str, str]:
        return {}

    def groups(self, *_: object) -> list[object]:
        return []

    def topic_infos(self, topics: dict[str, int]) -> dict[str, TopicInfo]:
        return {name: TopicInfo(count) for name, count in topics.items()}

    def earliest(self, partitions: list[PartitionId]) -> dict[PartitionId, int]:
        return dict.fromkeys(partitions, 0)

    def latest(self, partitions: list[PartitionId], **_: object) -> dict[PartitionId, int]:
        return dict.fromkeys(partitions, 0)


class Nothing:
    """A consumer that is never given a record."""

    def __init__(self) -> None:
        self.assigned: list[PartitionId] = []

    def assign(self, partitions: list[Any]) -> None:
        self.assigned = [(each.topic, each.partition) for each in partitions]

    def incremental_assign(self, partitions: list[Any]) -> None:
        self.assigned += [(each.topic, each.partition) for each in partitions]

    def consume(self, _count: int, wait_s: float) -> list[object]:
        time.sleep(wait_s)
        return []


def shards_of(topics: dict[str, int], count: int, *, empty: bool) -> list[Shard]:
    partitions: list[PartitionId] = [(topic, number) for topic, its in topics.items() for number in range(its)]
    shards = [Shard(number, count) for number in range(1, count + 1)]
    return [each for each in shards if empty != any(each.has(partition) for partition in partitions)]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Callable[[View], Nothing]:
    def begun(view: View) -> Nothing:
        consumer = Nothing()

        @contextmanager
        def consuming(*_: object, **__: object) -> Iterator[Nothing]:
            yield consumer

        monkeypatch.setattr(ClusterView, "connect", lambda _client: view)
        monkeypatch.setattr(recorder, "consuming", consuming)
        monkeypatch.setattr(watch, "EVERY_S", 0.05)
        return consumer

    return begun


def test_a_shard_without_a_partition_is_an_empty_capture(tmp_path: Path, cluster: Callable[[View], Nothing]) -> None:
    topics = {"orders": 2}
    (without,) = shards_of(topics, 3, empty=True)
    cluster(View(topics))
    out = tmp_path / "part.parquet"
    done = CliRunner().invoke(
        app, ["orders", "--bootstrap", "h:1", "--shard", str(without), "--out", str(out)], standalone_mode=False
    )
    assert done.exception is None
    assert done.return_value == 0
    assert f"shard {without} has no partition: 2 of the 3 shards record all 2 partitions" in done.output
    assert "a shard without records: give it to --merge with the others" in done.output
    assert list(tmp_path.iterdir()) == [out]
    with pytest.raises(CaptureError, match=f"shard {without} contains no records: merge all shards"):
        CaptureReader(out)


def test_all_shards_are_complete_with_an_empty_one(tmp_path: Path, cluster: Callable[[View], Nothing]) -> None:
    (without,) = shards_of({"t": 2}, 3, empty=True)
    cluster(View({"t": 2}))
    files = [tmp_path / "empty.parquet"]
    options = RecordOptions(("t",), shard=without)
    recorded = Recorder({}, files[0], options).record()
    assert (recorded.records, recorded.interrupted, recorded.missing) == (0, False, ())
    for shard in shards_of({"t": 2}, 3, empty=False):
        state = State(RecordOptions(("t",), shard=shard).asked(), 0.0, "")
        notes = {"shard": str(shard), "resume": state.to_json()}
        files.append(tmp_path / f"{shard.number}.parquet")
        with CaptureWriter(files[-1]) as writer:
            partition = next(p for p in range(2) if shard.has(("t", p)))
            writer.write(record_batch(["t"], [partition], [0], [1], [1], [None], [b"x"], [None]))
            writer.close(CaptureInfo("2026-01-01", {"t": TopicInfo(2)}, notes=notes))
    assert merge(files[1:], tmp_path / "two.parquet").missing == (f"shard {without}",)
    merged = merge(files, tmp_path / "all.parquet")
    assert (merged.records, merged.missing) == (2, ())


def test_captures_without_any_record_are_not_merged(tmp_path: Path, cluster: Callable[[View], Nothing]) -> None:
    cluster(View({"t": 2}))
    files = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    for number, file in enumerate(files, 1):
        Recorder({}, file, RecordOptions(("t",), shard=Shard(number, 2))).record()
    with pytest.raises(CaptureError, match="none of the 2 captures contains a record"):
        merge(files, tmp_path / "all.parquet")
    assert sorted(tmp_path.iterdir()) == files


def test_a_live_shard_without_a_partition_waits_for_new_ones(
    tmp_path: Path, cluster: Callable[[View], Nothing]
) -> None:
    (without,) = shards_of({"t": 2}, 3, empty=True)
    consumer = cluster(View({"t": 2}, {"t": 3}))
    options = RecordOptions(("t",), duration_s=1.5, shard=without)
    recorded = Recorder({}, tmp_path / "part.parquet", options).record()
    assert recorded.seconds > 1.4
    assert consumer.assigned == [("t", 2)]
    assert [text for text in recorded.changed if "grew from 2 to 3 partitions" in text]


def test_an_empty_shard_is_resumed_with_the_partitions_that_appeared(
    tmp_path: Path, cluster: Callable[[View], Nothing]
) -> None:
    (without,) = shards_of({"t": 2}, 3, empty=True)
    out, options = tmp_path / "part.parquet", RecordOptions(("t",), duration_s=0.2, shard=without)
    cluster(View({"t": 2}))
    Recorder({}, out, options).record()
    view = View({"t": 3})
    view.latest = lambda partitions, **_: dict.fromkeys(partitions, 7)  # type: ignore[method-assign]
    consumer = cluster(view)
    Recorder({}, out, options).record(resume=True)
    assert consumer.assigned == [("t", 2)]
    assert Parts(out).read().partitions["t"]["2"].next == 0, "a new partition is recorded from its start"


@pytest.mark.parametrize("topics", [{"a": 1, "b": 1}, {"a": 3, "b": 2, "c": 1}, {"a": 1, "b": 1, "c": 1, "d": 1}])
@pytest.mark.parametrize("count", range(2, 12))
def test_it_is_named_how_many_shards_have_partitions(topics: dict[str, int], count: int) -> None:
    used = shards_of(topics, count, empty=False)
    for shard in shards_of(topics, count, empty=True):
        words = without_partition(shard, topics)
        assert words is not None
        assert f"{len(used)} of the {count} shards record all {sum(topics.values())} partitions" in words
    assert all(without_partition(shard, topics) is None for shard in used)


def test_nothing_was_recorded(tmp_path: Path) -> None:
    parts, state = Parts(tmp_path / "a.parquet"), State(RecordOptions(("t",)).asked(), time.time(), "")
    parts.create(state)
    with pytest.raises(CaptureError, match="nothing was recorded; the topics have no records in the requested window"):
        parts.finish(state, parts.writer(state))
