"""Changes of a cluster's topics during a recording. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class Layout:
    """The recorded topics: their partition counts, and their ids if the brokers have them (Kafka >= 2.8)."""

    partitions: Mapping[str, int] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)


class What(StrEnum):
    """The kind of a change."""

    APPEARED = "appeared"
    GREW = "grew"
    RECREATED = "recreated"
    DELETED = "deleted"


@dataclass(frozen=True)
class Change:
    """A change of a topic; `before`, `now`: its partition counts."""

    what: What
    topic: str
    before: int
    now: int


def compare(before: Layout, now: Layout) -> list[Change]:
    """Return the changes between two layouts."""
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
    """Turns observations of the cluster into changes, each reported once.

    A topic counts as deleted when two looks in a row lack it: brokers that were just started or fenced list too few.
    """

    def __init__(self, known: Layout) -> None:
        self.known = known
        self._missing: set[str] = set()

    def look(self, now: Layout) -> list[Change]:
        """Return the confirmed changes."""
        found = compare(self.known, now)
        gone = {each.topic for each in found if each.what is What.DELETED}
        confirmed = [each for each in found if each.what is not What.DELETED or each.topic in self._missing]
        self._missing = gone
        partitions, ids = dict(self.known.partitions), {**self.known.ids, **now.ids}
        for each in confirmed:
            if each.what is What.DELETED:
                del partitions[each.topic]
                ids.pop(each.topic, None)
            else:
                partitions[each.topic] = each.now
        self.known = Layout(partitions, ids)
        return confirmed

    @property
    def doubtful(self) -> bool:
        """Whether a topic was missing only in the last observation."""
        return bool(self._missing & self.known.partitions.keys())
