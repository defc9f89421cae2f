"""Which topics and groups are stale. A cluster that cannot say makes them unknown, never stale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from cutover_harness.inventory.model import GroupEntry, Stale, TopicEntry

Verdict = tuple[Stale, str]
_CLOCKS_DIFFER = timedelta(days=1)
_MINUTES_A_DAY = 1440


def group_verdict(group: GroupEntry, now: datetime, days: float, offsets_retention_minutes: int | None) -> Verdict:
    """Return whether a group had no members and no commit for `days`, with the reason."""
    if group.members is None:
        return "unknown", "it could not be described"
    if group.members:
        return "no", "it has members"
    if group.state.endswith("rebalancing"):
        return "no", "it rebalances"
    if group.commits_moved:
        return "no", "it committed during the sample"
    if times := [time for time in (group.last_commit, group.last_change) if time is not None]:
        idle = now - max(times)
        what = "commit" if max(times) == group.last_commit else "change of its members"
        return ("yes" if idle > timedelta(days=days) else "no"), f"no members; last {what} {_ago(idle)}"
    retained = offsets_retention_minutes
    if group.topics and retained is not None and retained <= days * _MINUTES_A_DAY:
        return "no", f"offsets are removed {retained / _MINUTES_A_DAY:g} days after the last member left"
    return "unknown", "no members; when it last committed is not known"


def topic_verdict(
    topic: TopicEntry, now: datetime, days: float, readers: Mapping[str, Stale], *, readers_complete: bool
) -> Verdict:
    """Return whether a topic was neither written nor read for `days`, with the reason.

    readers: the verdict of each group that reads it. readers_complete: all groups are known.
    """
    if topic.grown:
        return "no", "written during the sample"
    if active := [name for name, stale in readers.items() if stale == "no"]:
        return "no", f"read by {_some(active)}"
    last, limit = topic.last_write or topic.written_since, now - timedelta(days=days)
    if last is not None and last > now + _CLOCKS_DIFFER:
        return "unknown", "its largest timestamp is in the future"
    if last is not None and last >= limit:
        return "no", f"written {_ago(now - last)}"
    if unsure := [name for name, stale in readers.items() if stale == "unknown"]:
        return "unknown", f"{_some(unsure)} may read it"
    if not readers_complete:
        return "unknown", "not all groups are known"
    if topic.end == 0:
        return "unknown", "never written, and a cluster does not report when a topic was created"
    if topic.records == 0:
        return "unknown", "no record is left to tell when it was written"
    since = topic.unwritten_since if last is None else last
    if since is None or since > limit or not topic.times_complete:
        return "unknown", "when it was last written is not known"
    what = f"last written {_ago(now - last)}" if last is not None else f"not written since {since:%Y-%m-%d}"
    return "yes", what + ("; its readers are stale" if readers else "; no reader")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}"


def _ago(idle: timedelta) -> str:
    seconds = max(0.0, idle.total_seconds())
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
