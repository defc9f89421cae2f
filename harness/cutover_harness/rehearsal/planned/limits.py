"""Limits of a rehearsal, and the choice of topics, partitions and processes that keeps to them.

A plan may have hundreds of topics and thousands of partitions, which no laptop holds. Everything that is left out is in
the result by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeVar

from cutover_harness.inventory.model import TopicEntry
from cutover_harness.plan.batch import FileConnectors
from cutover_harness.rehearsal.planned.parts import READER, Part, Readers

Key = TypeVar("Key")
MOST_OF_ONE = 64
"""Largest number of members of a group, of producers, and of partitions with generated traffic."""
LIMITED = {"topics": "--max-topics", "partitions": "--max-partitions", "apps": "--max-apps"}
"""The options that set the limits."""


@dataclass(frozen=True)
class Limits:
    """Largest numbers of one scenario. apps: processes of producers and consumers together."""

    topics: int = 20
    partitions: int = 120
    apps: int = 16
    records_per_s: float = 1000.0
    bytes_per_s: float = 2_000_000.0


@dataclass(frozen=True)
class Chosen:
    """What is rehearsed of a part.

    topics: partitions of each. groups: members of each. reads: the chosen topics of each group. producers: processes
    that send to its topics. connectors: its file connectors, None if it has none.
    """

    part: Part
    topics: Mapping[str, int]
    groups: Mapping[str, int]
    reads: Mapping[str, tuple[str, ...]]
    producers: int
    connectors: FileConnectors | None = None

    @property
    def without_topics(self) -> list[str]:
        """Topics that are left out."""
        return [name for name in self.part.topics if name not in self.topics]

    @property
    def without_groups(self) -> list[str]:
        """Groups that are left out."""
        return [name for name in self.part.groups if name not in self.groups]


def select(parts: Sequence[Part], limits: Limits, *, all_partitions: bool = False) -> list[Chosen]:
    """Return what is rehearsed within the limits; every part has at least one topic, one group and its producers.

    all_partitions: whether partitions are as many as in the inventory, because records are replayed to them.
    """
    ranked = [rank(part) for part in parts]
    in_turn = [pick for turn in zip_longest(*_numbered(ranked)) for pick in turn if pick is not None]
    taken = in_turn[: max(limits.topics, len(parts))]
    names = [[name for number, name in taken if number == index] for index in range(len(parts))]
    senders = {(index, ""): part.least_producers for index, part in enumerate(parts)}
    groups = _groups(parts, names, max(limits.apps - sum(senders.values()), len(parts)))
    kept = [
        [name for name in part.topics if name in names[index] and _is_read(name, groups[index])]
        for index, part in enumerate(parts)
    ]
    partitions = {name: part.topics[name].partitions for index, part in enumerate(parts) for name in kept[index]}
    if not all_partitions:
        partitions = capped(partitions, limits.partitions)
    wanted = {(index, name): group.members or 1 for index, its in enumerate(groups) for name, group in its.items()}
    wanted |= {(index, ""): part.all_producers for index, part in enumerate(parts)}
    shares = raised(wanted, limits.apps, senders)
    return [
        Chosen(
            part=part,
            topics={name: partitions[name] for name in kept[index]},
            groups={name: shares[index, name] for name in groups[index]},
            reads={
                name: tuple(topic for topic in kept[index] if topic in group.topics)
                for name, group in groups[index].items()
            },
            producers=shares[index, ""],
        )
        for index, part in enumerate(parts)
    ]


def rank(part: Part) -> list[str]:
    """Return a part's topics, the most telling first: one of each kind, one of each group, then by traffic."""
    busiest = sorted(part.topics.values(), key=lambda topic: (-(topic.grown_per_s or 0.0), topic.name))
    kinds: dict[object, str] = {}
    for topic in busiest:
        kinds.setdefault(_kind(topic), topic.name)
    order = list(kinds.values())
    for group in part.groups.values():
        if not any(name in order for name in group.topics):
            order += [topic.name for topic in busiest if topic.name in group.topics][:1]
    return [*order, *(topic.name for topic in busiest if topic.name not in order)]


def capped(wanted: Mapping[str, int], limit: int) -> dict[str, int]:
    """Return the numbers with the largest ones lowered to a common cap, so that their sum is within the limit.

    At least 1 and at most MOST_OF_ONE of each.
    """
    cap = MOST_OF_ONE
    while cap > 1 and sum(min(number, cap) for number in wanted.values()) > limit:
        cap -= 1
    return {name: max(1, min(number, cap)) for name, number in wanted.items()}


def raised(wanted: Mapping[Key, int], limit: int, least: Mapping[Key, int]) -> dict[Key, int]:
    """Return the least number of each, 1 by default, and more in turn up to the wanted one while the sum may grow."""
    found = {key: least.get(key, 1) for key in wanted}
    left = limit - sum(found.values())
    while left > 0:
        short = [key for key, number in found.items() if number < min(wanted[key], MOST_OF_ONE)]
        if not short:
            break
        for key in short[:left]:
            found[key] += 1
        left -= len(short)
    return found


def _kind(topic: TopicEntry) -> object:
    config = tuple(sorted((topic.config or {}).items()))
    return topic.compacted, topic.transactional, topic.timestamps, config


def _numbered(ranked: Sequence[Sequence[str]]) -> list[list[tuple[int, str]]]:
    return [[(index, name) for name in names] for index, names in enumerate(ranked)]


def _groups(parts: Sequence[Part], names: Sequence[Sequence[str]], most: int) -> list[dict[str, Readers]]:
    """Return the groups of each part that read a chosen topic; in turn, those with members first."""
    able = [
        sorted(
            (group for group in part.groups.values() if any(name in names[index] for name in group.topics)),
            key=lambda group: (group.name.startswith(READER), not group.members),
        )
        for index, part in enumerate(parts)
    ]
    numbered = [[(index, group) for group in groups] for index, groups in enumerate(able)]
    in_turn = [pick for turn in zip_longest(*numbered) for pick in turn if pick is not None]
    return [{group.name: group for number, group in in_turn[:most] if number == index} for index in range(len(parts))]


def _is_read(topic: str, groups: Mapping[str, Readers]) -> bool:
    return any(topic in group.topics for group in groups.values())
