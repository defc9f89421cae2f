"""What a listing lacks: a missing right is never an empty list."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from cutover_harness.inventory.completeness import SHOWN, Gaps, hidden_groups, hidden_topics, is_partial, kind_of
from cutover_harness.inventory.tables import gap_line


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "forbidden"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "forbidden"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, "forbidden"),
        (KafkaError.UNSUPPORTED_VERSION, "unsupported"),
        (KafkaError.NOT_LEADER_FOR_PARTITION, "failed"),
    ],
)
def test_kinds_of_errors(code: int, kind: str) -> None:
    assert kind_of(KafkaException(KafkaError(code))) == kind
    assert kind_of(TimeoutError()) == "failed"


@pytest.mark.parametrize(
    ("kind", "partial"),
    [("forbidden", True), ("failed", True), ("unknown", True), ("unsupported", False), ("skipped", False)],
)
def test_what_makes_a_listing_partial(kind: Any, partial: bool) -> None:
    gaps = Gaps()
    assert not is_partial(gaps.all)
    gaps.add("sizes", kind, "why", cluster="source")
    assert is_partial(gaps.all) is partial
    assert gaps.has("sizes", "source") is partial
    assert not gaps.has("sizes", "target")


def test_gaps_of_one_reason_are_one_line_and_partial_ones_come_first() -> None:
    gaps = Gaps()
    gaps.add("growth", "skipped", "no sample")
    for number in range(SHOWN + 5):
        gaps.add("producers", "forbidden", "no right", cluster="source", names=[f"t{number}", "t0"], remedy="grant it")
    first, second = gaps.all
    assert (first.what, first.count, len(first.names)) == ("producers", SHOWN + 5, SHOWN)
    assert second.what == "growth"
    assert gap_line(first) == (
        "partial, not known: producers of the source (t0, t1, t2, t3, t4 and 20 more): no right: grant it"
    )
    assert gap_line(second) == "not known: growth: no sample"


def topics(**known: Any) -> dict[str, str]:
    gaps = Gaps()
    values: dict[str, Any] = {"authorizer": True, "on_disk": None, "named": [], **known}
    hidden_topics(gaps, "source", {"a": 1}, **values)
    return {f"{gap.what}: {', '.join(gap.names)}": gap.kind for gap in gaps.all}


def test_topics_that_may_be_hidden() -> None:
    unknown = {"topics that are not shown: ": "unknown"}
    assert topics(authorizer=False) == {}
    assert topics(on_disk=["a"]) == {}
    assert topics(on_disk=["a", "b"]) == {"hidden topics: b": "forbidden"}
    assert topics(on_disk=["a", "__consumer_offsets"]) == {}, "nobody moves it"
    assert topics() == topics(authorizer=None) == topics(named=["a"]) == unknown
    assert topics(named=["a", "c"]) == {"hidden topics: c": "unknown", **unknown}
    assert topics(on_disk=["a"], named=["c"]) == {}, "the logs prove that c does not exist"


@pytest.mark.parametrize(
    ("authorizer", "may_describe", "kinds"),
    [
        (False, None, []),
        (True, True, []),
        (True, False, ["forbidden"]),
        (None, None, ["unknown"]),
    ],
)
def test_groups_that_may_be_hidden(authorizer: bool | None, may_describe: bool | None, kinds: list[str]) -> None:
    gaps = Gaps()
    hidden_groups(gaps, "source", authorizer=authorizer, may_describe=may_describe)
    assert [gap.kind for gap in gaps.all] == kinds
