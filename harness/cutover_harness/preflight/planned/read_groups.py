"""Groups of a plan, and those that read its topics, on one cluster. What cannot be read becomes a gap."""

from __future__ import annotations

from collections.abc import Collection

from cutover_harness.inventory.calls import Calls
from cutover_harness.inventory.groups import Committed, describe_groups, read_committed, read_groups
from cutover_harness.inventory.model import GroupEntry, GroupTopic
from cutover_harness.preflight.model import Group


def read_planned_groups(
    calls: Calls, topics: Collection[str], planned: Collection[str], *, others: bool
) -> tuple[dict[str, Group], dict[str, GroupEntry]]:
    """Return the groups for the rules, and entries with members; `others`: also groups that are not planned."""
    every = read_groups(calls)
    entries = every if others else {name: every[name] for name in planned if name in every}
    committed = read_committed(calls, entries, "committed offsets")
    wanted = set(topics)
    chosen = {
        name: entry
        for name, entry in entries.items()
        if name in planned or any(topic in wanted for topic, _ in committed.get(name, ())) or _is_live(entry)
    }
    assigned = describe_groups(calls, chosen)
    for name, entry in chosen.items():
        read = {topic for topic, _ in committed.get(name, ())} | set(assigned.get(name, ()))
        entry.topics = [GroupTopic(topic=topic) for topic in sorted(read)]
    return {name: _group(entry, committed.get(name, {})) for name, entry in entries.items()}, chosen


def _is_live(entry: GroupEntry) -> bool:
    """Return whether a group may have members, which may read without a commit."""
    return entry.state not in ("empty", "dead")


def _group(entry: GroupEntry, offsets: Committed) -> Group:
    topics = {topic for topic, _ in offsets}
    protocol = "consumer" if entry.type == "consumer" else "classic"
    return Group(tuple(sorted(topics)), protocol, offsets, bool(entry.members))
