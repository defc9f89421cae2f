"""What became of a cluster's topics while they were recorded. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class Layout:
    """The topics that are meant: their partition counts, and their ids where the brokers have such (Kafka >= 2.8)."""

    partitions: Mapping[str, int] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)


class What(StrEnum):
    """What became of a topic."""

    APPEARED = "appeared"
    GREW = "grew"
    RECREATED = "recreated"
    DELETED = "deleted"


@dataclass(frozen=True)
class Change:
    """What became of a topic; `before`, `now`: its partition counts."""

    what: What
    topic: str
    before: int
    now: int


def compare(before: Layout, now: Layout) -> list[Change]:
    """Return what is different now."""
    found = []
    for topic, count in sorted(now.partitions.items()):
        had = before.partitions.get(topic)
        if had is None:
            found.append(Change(What.APPEARED, topic, 0, count))
        elif topic in before.ids and topic in now.ids and before.ids[topic] != now.ids[topic]:
            found.append(Change(What.RECREATED, topic, had, count))
        elif count > had:
            found.append(Change(What.GREW, topic, had, count))
    found += [
        Change(What.DELETED, topic, count, 0)
        for topic, count in sorted(before.partitions.items())
        if topic not in now.partitions
    ]
    return found


class Confirmed:
    """Turns looks at the cluster into changes, each told once.

    A topic counts as deleted when two looks in a row lack it: brokers that were just started or fenced name too little.
    """

    def __init__(self, known: Layout) -> None:
        self.known = known
        self._missing: set[str] = set()

    def look(self, now: Layout) -> list[Change]:
        """Return what changed."""
        found = compare(self.known, now)
        gone = {each.topic for each in found if each.what is What.DELETED}
        told = [each for each in found if each.what is not What.DELETED or each.topic in self._missing]
        self._missing = gone
        partitions, ids = dict(self.known.partitions), {**self.known.ids, **now.ids}
        for each in told:
            if each.what is What.DELETED:
                del partitions[each.topic]
                ids.pop(each.topic, None)
            else:
                partitions[each.topic] = each.now
        self.known = Layout(partitions, ids)
        return told

    @property
    def doubtful(self) -> bool:
        """Whether a topic was missing in the last look alone."""
        return bool(self._missing & self.known.partitions.keys())
