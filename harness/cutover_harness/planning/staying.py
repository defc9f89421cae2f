"""Topics and groups that stay on the source, with the reason. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cutover_harness.inventory.model import GroupEntry, TopicEntry
from cutover_harness.planning.patterns import Patterns
from cutover_harness.planning.systems import Systems

DECIDED = "stays, by systems.yaml"


def staying_topics(topics: Mapping[str, TopicEntry], systems: Systems, *, guessed: bool) -> dict[str, str]:
    """Return the reason by topic. guessed: the systems are guesses, not a user's mapping."""
    found = {}
    decided = Patterns(systems.stays)
    named = set() if guessed else {name for system in systems.systems.values() for name in system.topics}
    for name, topic in topics.items():
        if decided.match(name):
            found[name] = DECIDED
        elif topic.internal:
            found[name] = "internal"
        elif topic.stale == "yes" and systems.stale == "stay" and name not in named:  # a glob does not count
            found[name] = f"stale: {topic.stale_why}"
    return found


def staying_groups(
    groups: Mapping[str, GroupEntry], topics: Collection[str], moving: Collection[str], systems: Systems
) -> dict[str, str]:
    """Return the reason by group. topics: all there are. moving: those that do not stay."""
    found = {}
    decided, every, movable = Patterns(systems.stays_groups), set(topics), set(moving)
    for name, group in groups.items():
        read = {each.topic for each in group.topics or ()}
        if decided.match(name):
            found[name] = DECIDED
        elif group.stale == "yes" and systems.stale == "stay":
            found[name] = f"stale: {group.stale_why}"
        elif not read & every:
            found[name] = "which topics it reads is not known" if not read else "its topics do not exist any more"
        elif not read & movable:
            found[name] = "reads only topics that stay"
    return found
