"""What a batch costs: bytes and minutes to mirror, and what expires first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cutover_harness.inventory.model import GroupEntry, TopicEntry
from cutover_harness.inventory.words import size
from cutover_harness.planning.model import Estimate
from cutover_harness.words import listed

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Assumptions:
    """What estimates rest on: when the inventory was taken, the mirror's rate, the source's retention of offsets."""

    created: datetime
    mirror_rate: int
    offsets_retention_minutes: int | None


def estimate_of(topics: Sequence[TopicEntry], groups: Sequence[GroupEntry], assumed: Assumptions) -> Estimate:
    """Return the estimate of a batch with these topics and groups."""
    content = _total(each.bytes for each in topics)
    growth = _total(each.bytes_per_s for each in topics)
    deadlines = sorted([*_of_topics(topics, assumed.created), *_of_groups(groups, assumed)])
    first = deadlines[0] if deadlines else None
    records = _total(each.records for each in topics)
    return Estimate(
        bytes=None if content is None else int(content),
        records=None if records is None else int(records),
        bytes_per_s=None if growth is None else round(growth, 1),
        records_per_s=_rounded(_total(each.grown_per_s for each in topics)),
        minutes=_minutes(content, growth or 0.0, assumed.mirror_rate),
        deadline_h=None if first is None else round(first[0], 1),
        deadline_by=None if first is None else first[1],
    )


def warnings(
    topics: Sequence[TopicEntry],
    groups: Sequence[GroupEntry],
    assumed: Assumptions,
    estimate: Estimate,
    rollback_window_h: float,
) -> list[str]:
    """Return what a person has to know of the times of a batch."""
    found = []
    unknown = [each.name for each in topics if each.bytes is None]
    if unknown:
        found.append(f"sizes are not known: {listed(sorted(unknown))}")
    if estimate.bytes_per_s is not None and estimate.bytes and estimate.bytes_per_s >= assumed.mirror_rate:
        found.append(
            f"the mirror never catches up: {size(estimate.bytes_per_s)} are written per second, and it copies "
            f"{size(assumed.mirror_rate)} per second"
        )
    if estimate.minutes is not None:
        short = [each.name for each in topics if _expires_within(each, estimate.minutes)]
        if short:
            found.append(f"records expire before they are copied (retention.ms): {listed(sorted(short))}")
    hours = assumed.offsets_retention_minutes
    if hours is not None and groups and hours / 60 <= rollback_window_h:
        found.append(
            f"the source removes offsets of groups without members after {hours / 60:g} h (offsets.retention.minutes), "
            f"within the rollback window of {rollback_window_h:g} h: a rollback later than that starts without them"
        )
    gone = [each.name for each in groups if each.members == [] and _left(each) is None]
    if gone:
        found.append(
            f"when their members left is not known (inventory --group-history), so their offsets can expire "
            f"at any time: {listed(sorted(gone))}"
        )
    return found


def _minutes(content: float | None, growth: float, rate: float) -> float | None:
    """Return the minutes until the mirror has caught up with topics that grow; None if it never does."""
    if content is None or (content and growth >= rate):
        return None
    return round(content / (rate - growth) / 60, 1) if content else 0.0


def _of_topics(topics: Iterable[TopicEntry], created: datetime) -> Iterable[tuple[float, str]]:
    for each in topics:
        retention = retention_of(each)
        if retention is None or each.first_write is None or not each.records:
            continue
        left = each.first_write + retention - created
        hours = max(0.0, left / _HOUR)
        yield (
            hours,
            f"records of {each.name}: retention.ms {retention / _HOUR:g} h, oldest record of {_date(each.first_write)}",
        )


def _of_groups(groups: Iterable[GroupEntry], assumed: Assumptions) -> Iterable[tuple[float, str]]:
    if assumed.offsets_retention_minutes is None:
        return
    retention = timedelta(minutes=assumed.offsets_retention_minutes)
    for each in groups:
        if each.members == [] and (left := _left(each)) is not None:
            hours = max(0.0, (left + retention - assumed.created) / _HOUR)
            what = f"offsets of {each.name}: offsets.retention.minutes {assumed.offsets_retention_minutes}"
            yield hours, f"{what}, without members since {_date(left)}"


def _left(group: GroupEntry) -> datetime | None:
    return max((time for time in (group.last_commit, group.last_change) if time is not None), default=None)


def retention_of(topic: TopicEntry) -> timedelta | None:
    """Return how long records are kept; None if they do not expire by their age."""
    policy = (topic.config or {}).get("cleanup.policy", "compact" if topic.compacted else "delete")
    if topic.retention_ms is None or topic.retention_ms < 0 or "delete" not in policy:
        return None
    return timedelta(milliseconds=min(topic.retention_ms, 10**14))


def _expires_within(topic: TopicEntry, minutes: float) -> bool:
    retention = retention_of(topic)
    return bool(topic.bytes) and retention is not None and retention <= timedelta(minutes=minutes)


def _total(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if None in known else float(sum(value for value in known if value is not None))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _date(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M")
