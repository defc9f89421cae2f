"""Topics and clients of a batch, as the inventory lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cutover_harness.errors import UsageError
from cutover_harness.inventory.model import ClusterListing, GroupEntry, Listing, TopicEntry
from cutover_harness.planning.model import Mover, PlannedBatch
from cutover_harness.planning.patterns import Patterns

READER = "rehearsal-reader-"
"""Prefix of the group that reads a batch's topics without a group: records that are not read could not be judged."""

ASSUMED_PRODUCERS = 2
"""Producers of a batch of which the plan names none."""


@dataclass(frozen=True)
class Readers:
    """A consumer group of a batch. members: None if unknown. topics: those of the batch that it reads."""

    name: str
    moves: str
    members: int | None
    topics: tuple[str, ...]
    assignor: str | None = None
    type: str = "classic"


@dataclass(frozen=True)
class Part:
    """A batch with everything that the inventory knows about it.

    topics: by name, in their order. producers: instances of each producing application, None if unknown; none of them
    if the plan names none.
    guessed: groups of which the inventory knows no topic of the batch, so that they read all of them.
    unread: topics that no group reads.
    """

    batch: PlannedBatch
    topics: Mapping[str, TopicEntry]
    groups: Mapping[str, Readers]
    producers: Mapping[str, int | None]
    guessed: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def all_producers(self) -> int:
        """How many producers there are; an application of unknown size counts as one."""
        return sum(count or 1 for count in self.producers.values()) or ASSUMED_PRODUCERS

    @property
    def restarted_producers(self) -> int:
        """How many of them are restarted; if the plan names none, they move as the groups do."""
        if not self.producers:
            return 0 if self.on_shim or not self.batch.groups else ASSUMED_PRODUCERS
        return sum(count or 1 for name, count in self.producers.items() if self.batch.producers[name].moves != "shim")

    @property
    def least_producers(self) -> int:
        """How many are rehearsed at least: one of each kind."""
        return 2 if 0 < self.restarted_producers < self.all_producers else 1

    @property
    def on_shim(self) -> bool:
        """Whether any of its groups and producers has the shim."""
        return any(mover.moves == "shim" for mover in self.batch.movers)

    @property
    def movers(self) -> Mapping[str, Mover]:
        """Groups and producing applications, by what they are and their name."""
        groups = {f"group {name}": mover for name, mover in self.batch.groups.items()}
        return groups | {f"producer {name}": mover for name, mover in self.batch.producers.items()}


def part_of(batch: PlannedBatch, listing: Listing, origin: str) -> Part:
    """Return a batch with its topics and clients. Raises UsageError, which begins with `origin`, if it has no topic."""
    source = _source(listing, origin)
    found = _topics_of(batch, source.topics)
    if not found:
        raise UsageError(
            f"{origin}: batch {batch.name}: none of the inventory's topics matches {', '.join(batch.topics)}: correct "
            "topics, or take the inventory and the plan again"
        )
    listed = {group.name: group for group in source.groups}
    groups = {name: _readers(name, mover, listed.get(name), found) for name, mover in batch.groups.items()}
    guessed = tuple(name for name, group in groups.items() if not group.topics)
    groups |= {
        name: Readers(name, groups[name].moves, groups[name].members, tuple(found), groups[name].assignor)
        for name in guessed
    }
    read = {topic for group in groups.values() for topic in group.topics}
    unread = tuple(name for name in found if name not in read)
    if unread:
        # Consumers of the rehearsal itself move as the others do.
        moves = "shim" if not batch.movers or any(mover.moves == "shim" for mover in batch.movers) else "restart"
        groups[READER + batch.name] = Readers(READER + batch.name, moves, 1, unread)
    producers = {name: _instances(name, mover, listing) for name, mover in batch.producers.items()}
    return Part(batch, found, groups, producers, guessed, unread)


def _topics_of(batch: PlannedBatch, topics: Iterable[TopicEntry]) -> dict[str, TopicEntry]:
    """Return the topics of a batch."""
    its, exclude = Patterns(batch.topics), Patterns(batch.exclude)
    found = {
        topic.name: topic
        for topic in topics
        if not topic.internal and its.match(topic.name) and not exclude.match(topic.name)
    }
    return dict(sorted(found.items()))


def _source(listing: Listing, origin: str) -> ClusterListing:
    if "source" not in listing.clusters:
        raise UsageError(f"{origin}: the inventory has no source cluster: take it with --source")
    return listing.clusters["source"]


def _readers(name: str, mover: Mover, entry: GroupEntry | None, topics: Iterable[str]) -> Readers:
    known = {topic.topic for topic in (entry.topics or [])} if entry is not None else set()
    members = mover.instances
    if members is None and entry is not None and entry.members:
        members = len(entry.members)
    return Readers(
        name=name,
        moves=mover.moves,
        members=members,
        topics=tuple(topic for topic in topics if topic in known),
        assignor=entry.assignor if entry is not None else None,
        type=entry.type if entry is not None else "classic",
    )


def _instances(name: str, mover: Mover, listing: Listing) -> int | None:
    """Return how many producers an application has: of the plan, else the shim's clients of that name."""
    if mover.instances is not None:
        return mover.instances
    clients = [
        client
        for client in listing.clients
        if client.role == "producer" and not client.ended and (client.app or client.client_id) == name
    ]
    return len(clients) or None
