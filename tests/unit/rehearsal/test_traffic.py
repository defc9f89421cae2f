"""Traffic that a scenario brings along: the same for the same seed, and of the shape that is asked for."""

from __future__ import annotations

from pathlib import Path

from cutover_harness.capture.format import CaptureReader
from cutover_harness.plan.traffic import TopicTraffic
from cutover_harness.rehearsal.traffic import records_of, write_traffic

MIXED = TopicTraffic(keys=5, unkeyed=0.3, tombstones=0.2, headers=0.5, bytes=10, large_every=50, large_bytes=900)


def test_the_same_seed_makes_the_same_records_and_another_one_others() -> None:
    made = list(records_of("t", MIXED, 7))
    assert made == list(records_of("t", MIXED, 7))
    assert made != list(records_of("t", MIXED, 8))
    assert made != list(records_of("u", MIXED, 7))


def test_shares_sizes_and_rhythm_are_as_asked_for() -> None:
    made = list(records_of("t", MIXED, 7))
    assert len(made) == 1500
    assert 0.2 < sum(r.key is None for r in made) / 1500 < 0.4
    assert 0.1 < sum(r.value is None for r in made) / 1500 < 0.3
    assert 0.4 < sum(r.headers is not None for r in made) / 1500 < 0.6
    assert {len(r.value) for r in made if r.value is not None} == {10, 900}
    assert [r.at_ms for r in made] == [20 * n for n in range(1500)]
    assert len({r.key for r in made}) == 6


def test_a_key_stays_in_its_partition() -> None:
    made = list(records_of("t", MIXED, 7))
    assert len({(r.key, r.partition) for r in made if r.key is not None}) == 5
    assert {r.partition for r in made if r.key is None} == {0, 1, 2}


def test_the_capture_has_the_topics_and_their_properties(tmp_path: Path) -> None:
    config: dict[str, str | int | float | bool] = {"cleanup.policy": "compact", "segment.ms": 1000, "preallocate": True}
    compacted = TopicTraffic(partitions=2, config=config)
    path = write_traffic({"a": compacted, "b": TopicTraffic(keys=0)}, 1, tmp_path / "traffic.parquet")
    with CaptureReader(path) as capture:
        assert capture.records == 3000
        assert {name: topic.partitions for name, topic in capture.info.topics.items()} == {"a": 2, "b": 3}
        properties = {"cleanup.policy": "compact", "segment.ms": "1000", "preallocate": "true"}
        assert capture.info.topics["a"].config == properties
        low, high = capture.span_ms()
        assert 29_000 < high - low < 30_000
