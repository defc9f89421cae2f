"""The summaries of a load: sets of sequences, merging, and what is lost, duplicated, reordered or from nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.load.command import settings_of
from cutover_harness.load.ledger import ConsumerLedger, ProducerLedger
from cutover_harness.load.meter import Meter
from cutover_harness.load.settings import LoadSettings
from cutover_harness.load.spans import Spans
from cutover_harness.load.summary import GroupSummary, ProducerSummary, compare
from cutover_harness.replay.config import ReplayOptions
from hypothesis import given
from hypothesis import strategies as st

numbers = st.lists(st.integers(0, 60))


def spans(members: list[int]) -> Spans:
    out = Spans()
    for member in members:
        out.add(member)
    return out


@given(numbers, numbers)
def test_spans_are_sets(one: list[int], other: list[int]) -> None:
    found = Spans()
    for member in one:
        assert found.add(member) == (member not in set(one[: one.index(member)])) or one.count(member) > 1
    assert [n for n in range(62) if n in found] == sorted(set(one))
    assert len(found) == len(set(one))
    assert found.last == max(one, default=-1)
    assert all(a < b for a, b in zip(found.flat, found.flat[1:], strict=False))
    for result, wanted in (
        (found.union(spans(other)), set(one) | set(other)),
        (found.minus(spans(other)), set(one) - set(other)),
    ):
        assert [n for n in range(62) if n in result] == sorted(wanted)


def load(
    deliveries: list[tuple[int, int, int]], sent: int = 5, acked: int | None = None
) -> tuple[ProducerSummary, GroupSummary]:
    """Return summaries of `sent` records of stream 7, and of deliveries (cluster, offset, sequence), over the wire."""
    producer, consumer = ProducerLedger(), ConsumerLedger()
    producer.name_stream(7, "t", b"k", 0)
    for sequence in range(sent):
        producer.sent("t", 0, 7, sequence, 0)
    for sequence in range(sent if acked is None else acked):
        producer.acked("t", 0, sequence, 7, sequence, 0)
    for cluster, offset, sequence in deliveries:
        consumer.delivered("t", 0, offset, 7, sequence, cluster)
    producers, group = ProducerSummary(), GroupSummary()
    producers.merge_wire(producer.summary.to_wire())
    group.merge_wire(consumer.summary.to_wire())
    return producers, group


ALL = [(0, n, n) for n in range(5)]


@pytest.mark.parametrize(
    ("deliveries", "lost", "phantom", "reordered", "duplicated"),
    [
        (ALL, 0, 0, 0, {}),
        (ALL[:2] + ALL[3:], 1, 0, 0, {}),
        ([], 5, 0, 0, {}),
        ([ALL[1], ALL[0], *ALL[2:]], 0, 0, 1, {}),
        ([*ALL, ALL[4]], 0, 0, 0, {"re_read": 1}),
        ([*ALL, (1, 3, 3), (1, 4, 4)], 0, 0, 0, {"re_read_across": 2}),
        ([*ALL, (0, 9, 4)], 0, 0, 0, {"repeated": 1}),
        ([*ALL, (0, 9, 99)], 0, 1, 0, {}),
    ],
)
def test_result_of_a_group(
    deliveries: list[tuple[int, int, int]], lost: int, phantom: int, reordered: int, duplicated: dict[str, int]
) -> None:
    producers, group = load(deliveries)
    result = compare(producers, "g", group, None)
    assert (result.expected, result.lost, result.phantom, result.reordered) == (5, lost, phantom, reordered)
    assert result.duplicated == duplicated
    assert bool(result.examples) == bool(lost)


def test_unacknowledged_but_delivered_is_no_error() -> None:
    result = compare(*_with_group(load(ALL, acked=3)))
    assert (result.expected, result.lost, result.phantom) == (3, 0, 0)


def _with_group(both: tuple[ProducerSummary, GroupSummary]) -> tuple[ProducerSummary, str, GroupSummary, None]:
    return both[0], "g", both[1], None


def test_members_and_workers_merge() -> None:
    producers, whole = load(ALL[:3])
    _, other = load(ALL[2:])
    whole.merge_wire(other.to_wire())
    result = compare(producers, "g", whole, None)
    assert (result.lost, result.delivered, result.duplicated) == (0, 5, {"between_members": 1})


def test_only_a_groups_own_topics_count() -> None:
    producers, group = load([])
    assert compare(producers, "g", group, ["other"]).lost == 0


def test_meter_passes_on_its_counts() -> None:
    meter = Meter()
    meter.add("t", 147.0, 10, 100.0)
    meter.add("t", 3.2, 10, 100.1)
    meter.fail("t", 100.2)
    meter.push()
    merged = [counts["t"] for counts in meter.take()]
    assert sum(count.requests for count in merged) == 3
    assert sum(count.failures for count in merged) == 1
    assert merged[0].histogram == {150: 1}
    assert meter.take() == []


def settings(**more: object) -> LoadSettings:
    return settings_of(
        **{
            "capture": None,
            "cutover_file": None,
            "status": None,
            "bootstrap": "h:1",
            "cluster": None,
            "producers": 2,
            "groups": ["billing:2", "audit"],
            "speed": "max",
            "scale": 1,
            "topic_prefix": "x.",
            "loop": True,
            "report": None,
            "client": ["linger.ms=50"],
            **more,
        }  # type: ignore[arg-type]
    )


def test_options_become_clients() -> None:
    made = settings()
    assert made.members == ["billing", "billing", "audit"]
    assert [made.consumer(n, 1).instance for n in range(3)] == ["load-billing-1", "load-billing-2", "load-audit-1"]
    producer = made.producer(1, 1, 5)
    assert (producer.share.index, producer.share.of, producer.replay.start_ns) == (1, 2, 5)
    assert producer.client == {"bootstrap.servers": "h:1", "linger.ms": "50"}
    assert made.replay.speed is None
    assert set(made.topics) == {
        "x." + t for t in ("flights.arrived", "flights.cancelled", "flights.departed", "weather.observed")
    }


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"speed": "quick"}, "--speed quick"),
        ({"speed": "0"}, "speed"),
        ({"groups": ["billing:none"]}, "--group billing:none"),
        ({"client": ["linger"]}, "--client linger"),
        ({"bootstrap": None}, "give one of"),
        ({"cutover_file": Path("/no/such/file"), "bootstrap": None}, "No such file"),
        ({"capture": Path("/no/such/capture")}, "no such file"),
    ],
)
def test_bad_options_are_named(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        settings(**wrong)


def test_settings_need_one_way_to_the_cluster() -> None:
    with pytest.raises(ValueError, match="either cutover_file or endpoint"):
        LoadSettings(replay=ReplayOptions(capture=Path("c")), topics=["t"])
