"""Values of a listing as texts; `?` is what is not known."""

from __future__ import annotations

from datetime import datetime

from cutover_harness.inventory.model import ConnectCluster, GroupEntry, TopicEntry
from cutover_harness.words import counted, sized

UNKNOWN = "?"


def size(count: float | None) -> str:
    """Return a number of bytes."""
    return UNKNOWN if count is None else sized(count)


def number(count: int | None) -> str:
    """Return a number."""
    return UNKNOWN if count is None else f"{count:,}"


def workers_of(connect: ConnectCluster) -> str:
    """Return how many workers of a Connect cluster are known: its interface names only those that have work."""
    if connect.connectors is None:
        return "workers not known"
    return f"{counted(len(connect.workers), 'worker')} {'runs' if len(connect.workers) == 1 else 'run'} connectors"


def rate(per_s: float | None) -> str:
    """Return a rate."""
    return UNKNOWN if per_s is None else "0" if per_s == 0 else f"{per_s:,.3g}"


def date(time: datetime | None) -> str:
    """Return a time in minutes."""
    return UNKNOWN if time is None else time.strftime("%Y-%m-%d %H:%M")


def flags(topic: TopicEntry) -> str:
    """Return the properties of a topic that matter most."""
    known = [
        ("compacted", topic.compacted),
        ("transactional", topic.transactional),
        ("LogAppendTime", topic.timestamps == "LogAppendTime"),
    ]
    return ", ".join(name for name, is_so in known if is_so)


def writers_of(topic: TopicEntry) -> str:
    """Return who writes a topic: names, and how many producer ids the brokers remember."""
    ids = len(topic.producers or ())
    remembered = [counted(ids, "producer id")] if ids else []
    return ", ".join([*topic.writers, *remembered]) or (UNKNOWN if topic.producers is None else "")


def lag_of(group: GroupEntry) -> str:
    """Return a group's lag; empty if it has committed nothing."""
    return "" if group.topics is not None and not group.topics else number(group.lag)
