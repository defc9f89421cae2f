"""Stale topics and groups, and each reason not to call one stale."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cutover_harness.inventory.model import GroupEntry, GroupTopic, Member, TopicEntry
from cutover_harness.inventory.stale import group_verdict, topic_verdict

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
MINUTES_A_WEEK = 7 * 1440


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def topic(**values: Any) -> TopicEntry:
    """A topic that is stale, but for `values`."""
    old = {"records": 5, "end": 9, "last_write": days_ago(40), "times_complete": True, "grown": 0}
    return TopicEntry(**{"name": "t", "internal": False, "partitions": 1, "replication": 1, **old, **values})


def group(**values: Any) -> GroupEntry:
    """A group that is stale, but for `values`."""
    read = [GroupTopic(topic="t", committed=1)]
    old = {"members": [], "topics": read, "last_commit": days_ago(40), "commits_moved": False}
    return GroupEntry(**{"name": "g", "type": "classic", "state": "empty", **old, **values})


@pytest.mark.parametrize(
    ("values", "readers", "complete", "verdict", "why"),
    [
        ({}, {}, True, "yes", "last written 40 d ago; no reader"),
        ({}, {"g": "yes"}, True, "yes", "last written 40 d ago; its readers are stale"),
        ({"grown": None}, {}, True, "yes", "last written 40 d ago; no reader"),
        ({"last_write": days_ago(29)}, {}, True, "no", "written 29 d ago"),
        ({"grown": 1}, {}, True, "no", "written during the sample"),
        ({}, {"g": "no"}, True, "no", "read by g"),
        ({}, {"g": "no", "h": "no", "i": "unknown"}, True, "no", "read by g and 1 more"),
        ({}, {"g": "unknown"}, True, "unknown", "g may read it"),
        ({}, {}, False, "unknown", "not all groups are known"),
        ({"last_write": None}, {}, True, "unknown", "when it was last written is not known"),
        ({"times_complete": False}, {}, True, "unknown", "when it was last written is not known"),
        ({"last_write": days_ago(29), "times_complete": False}, {}, False, "no", "written 29 d ago"),
        ({"last_write": days_ago(-2)}, {}, True, "unknown", "its largest timestamp is in the future"),
        ({"records": 0, "last_write": None}, {}, True, "unknown", "no record is left to tell when it was written"),
        ({"end": 0, "records": 0, "last_write": None}, {}, True, "unknown", "never written"),
    ],
)
def test_topics(values: dict[str, Any], readers: dict[str, Any], complete: bool, verdict: str, why: str) -> None:
    found = topic_verdict(topic(**values), NOW, 30, readers, readers_complete=complete)
    assert found[0] == verdict
    assert found[1].startswith(why)


@pytest.mark.parametrize(
    ("values", "retention", "verdict", "why"),
    [
        ({}, None, "yes", "no members; last commit 40 d ago"),
        ({}, MINUTES_A_WEEK, "yes", "no members; last commit 40 d ago"),
        ({"last_change": days_ago(35)}, None, "yes", "no members; last change of its members 35 d ago"),
        ({"last_change": days_ago(2)}, None, "no", "no members; last change of its members 2 d ago"),
        ({"last_commit": days_ago(2)}, None, "no", "no members; last commit 2 d ago"),
        ({"members": [Member(client_id="c", host="h", partitions=0)]}, None, "no", "it has members"),
        ({"state": "preparing rebalancing"}, None, "no", "it rebalances"),
        ({"commits_moved": True}, None, "no", "it committed during the sample"),
        ({"last_commit": None}, MINUTES_A_WEEK, "no", "offsets are removed 7 days after the last member left"),
        ({"last_commit": None}, 31 * 1440, "unknown", "no members; when it last committed is not known"),
        ({"last_commit": None}, None, "unknown", "no members; when it last committed is not known"),
        ({"last_commit": None, "topics": []}, MINUTES_A_WEEK, "unknown", "no members; when it last committed"),
        ({"members": None}, MINUTES_A_WEEK, "unknown", "it could not be described"),
    ],
)
def test_groups(values: dict[str, Any], retention: int | None, verdict: str, why: str) -> None:
    found = group_verdict(group(**values), NOW, 30, retention)
    assert found[0] == verdict
    assert found[1].startswith(why)
