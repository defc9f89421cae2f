"""A shard that has no partition, or none with records, reports that, and records nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cutover_harness.capture.beginning import begin, without_partition
from cutover_harness.capture.cluster import ClusterView
from cutover_harness.capture.command import app
from cutover_harness.capture.format import CaptureError
from cutover_harness.capture.options import RecordOptions, Shard
from cutover_harness.capture.parts import Parts, State
from cutover_harness.types import PartitionId
from typer.testing import CliRunner


class View:
    """A cluster with topics of these partition counts. Nothing else of it can be read."""

    def __init__(self, topics: dict[str, int]) -> None:
        self._topics = topics

    def partitions(self, *_: object) -> dict[str, int]:
        return self._topics

    def ids(self, *_: object) -> dict[str, str]:
        return {}

    def groups(self, *_: object) -> list[object]:
        raise AssertionError("a shard without partitions has begun")


def shards_of(topics: dict[str, int], count: int, *, empty: bool) -> list[Shard]:
    partitions: list[PartitionId] = [(topic, number) for topic, its in topics.items() for number in range(its)]
    shards = [Shard(number, count) for number in range(1, count + 1)]
    return [each for each in shards if empty != any(each.has(partition) for partition in partitions)]


@pytest.mark.parametrize("duration_s", [None, 60.0])
def test_a_shard_without_a_partition_is_refused_live_too(duration_s: float | None) -> None:
    topics = {"orders": 2}
    (without,) = shards_of(topics, 3, empty=True)
    options = RecordOptions(("orders",), duration_s=duration_s, shard=without)
    with pytest.raises(CaptureError) as refused:
        begin(View(topics), options, None)  # type: ignore[arg-type]
    assert str(refused.value) == (
        f"--shard {without}: this shard has no partition, nothing was recorded: 1 topic with 2 partitions are enough "
        "for 2 of 3 shards: record all shards again with --shard I/2"
    )


def test_the_command_refuses_it_before_there_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (without,) = shards_of({"orders": 1}, 2, empty=True)
    monkeypatch.setattr(ClusterView, "connect", lambda _client: View({"orders": 1}))
    out = tmp_path / "part.parquet"
    ended = CliRunner().invoke(
        app, ["orders", "--bootstrap", "h:1", "--duration", "1h", "--shard", str(without), "--out", str(out)]
    )
    assert isinstance(ended.exception, CaptureError)
    assert "record all shards again without --shard" in str(ended.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("topics", [{"a": 1, "b": 1}, {"a": 3, "b": 2, "c": 1}, {"a": 1, "b": 1, "c": 1, "d": 1}])
@pytest.mark.parametrize("count", range(2, 12))
def test_the_number_of_shards_that_is_named_has_no_empty_shard(topics: dict[str, int], count: int) -> None:
    for shard in shards_of(topics, count, empty=True):
        words = without_partition(shard, topics)
        _, with_option, named = words.partition("with --shard I/")
        fewer = int(named) if with_option else 1
        assert not shards_of(topics, fewer, empty=True)
        assert all(shards_of(topics, more, empty=True) for more in range(fewer + 1, count + 1))
        assert f"for {len(shards_of(topics, count, empty=False))} of {count} shards" in words


@pytest.mark.parametrize(
    ("shard", "says"), [(None, "the topics have no records"), ("2/3", "the partitions of shard 2/3 have no records")]
)
def test_nothing_was_recorded(tmp_path: Path, shard: str | None, says: str) -> None:
    options = RecordOptions(("t",), shard=None if shard is None else Shard(2, 3))
    parts, state = Parts(tmp_path / "a.parquet"), State(options.asked(), time.time(), "")
    parts.create(state)
    with pytest.raises(CaptureError, match=f"nothing was recorded; {says}"):
        parts.finish(state, parts.writer(state))
