"""Clients that tie topics together, with the evidence: groups, applications, transactional ids, connectors."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from cutover_harness.inventory.model import ClusterListing, GroupEntry, Listing

Kind = Literal["group", "app", "transactional id", "connector"]

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Kafka Streams: the application id, which is the group's name too, then the task, or the process and its thread.
_OF_STREAMS = re.compile(rf"(?P<group>.+)-(?:\d+_\d+|{_UUID}-\d+)")
_STREAMS_TOPICS = ("-changelog", "-repartition")


@dataclass(frozen=True)
class Link:
    """A client, or several with one name, and its topics; they move together. `evidence`: where that is known from."""

    kind: Kind
    name: str
    topics: tuple[str, ...]
    evidence: str

    @property
    def title(self) -> str:
        """Return kind and name."""
        return f"{self.kind} {self.name}"


def links_of(listing: Listing, topics: Collection[str], groups: Collection[str]) -> list[Link]:
    """Return the clients of the source that use these topics; of the groups only those in `groups`."""
    source = listing.clusters["source"]
    movable = set(topics)
    named = {group.name: group for group in source.groups if group.name in groups}
    of_streams = [topic for topic in sorted(movable) if topic.endswith(_STREAMS_TOPICS)]
    found = [
        *(_group(group, movable, of_streams) for group in named.values()),
        *_apps(listing, movable),
        *_transactional(source, movable),
        *_connectors(listing, movable),
    ]
    return sorted((link for link in found if link.topics), key=lambda link: (link.kind, link.name))


def _group(group: GroupEntry, movable: AbstractSet[str], of_streams: Iterable[str]) -> Link:
    read = {each.topic: each for each in group.topics or () if each.topic in movable}
    own = {topic for topic in of_streams if topic.startswith(f"{group.name}-") and topic not in read}
    committed = sum(1 for each in read.values() if each.committed)
    assigned = sum(1 for each in read.values() if each.assigned)
    evidence = [f"has committed offsets of {_topics(committed)}"] if committed else []
    evidence += [f"its members have partitions of {_topics(assigned)}"] if assigned else []
    evidence += [f"Kafka Streams: {_topics(len(own))} with the name of its application"] if own else []
    return Link("group", group.name, tuple(sorted(set(read) | own)), "; ".join(evidence))


def _apps(listing: Listing, movable: AbstractSet[str]) -> Iterable[Link]:
    written: dict[str, set[str]] = defaultdict(set)
    instances: Counter[str] = Counter()
    for client in listing.clients:
        if client.role == "producer":
            name = client.app or client.client_id or client.instance
            written[name] |= set(client.topics_on.get("source", ())) & movable
            instances[name] += 1
    for name, topics in written.items():
        evidence = f"statuses of {instances[name]} producer{'s' if instances[name] > 1 else ''} of the shim"
        yield Link("app", name, tuple(sorted(topics)), evidence)


def _transactional(source: ClusterListing, movable: AbstractSet[str]) -> Iterable[Link]:
    """Return a link of each transactional id; the ids of a Kafka Streams application are one, with its group's name."""
    groups = {group.name for group in source.groups}
    written: dict[str, set[str]] = defaultdict(set)
    ids: dict[str, set[str]] = defaultdict(set)
    for topic in source.topics:
        if topic.name not in movable:
            continue
        for producer in topic.producers or ():
            if producer.transactional_id is not None:
                name = streams_application(producer.transactional_id, groups) or producer.transactional_id
                written[name].add(topic.name)
                ids[name].add(producer.transactional_id)
    read = {group.name: {each.topic for each in group.topics or ()} & movable for group in source.groups}
    for name, topics in written.items():
        streams = name in groups and ids[name] != {name}
        evidence = "the brokers have written transactions of it"
        if streams:
            evidence = f"Kafka Streams: {len(ids[name])} transactional id(s) begin with the name of its group"
        together = topics | read[name] if streams else topics
        yield Link("transactional id", name, tuple(sorted(together)), evidence)


def streams_application(transactional_id: str, groups: Collection[str]) -> str | None:
    """Return the group of the Kafka Streams application that has a transactional id; None for any other id."""
    found = _OF_STREAMS.fullmatch(transactional_id)
    return found["group"] if found and found["group"] in groups else None


def _connectors(listing: Listing, movable: AbstractSet[str]) -> Iterable[Link]:
    """Return the source connectors; a sink connector is a group, whose topics are known better from the cluster."""
    for connect in listing.connect:
        if connect.cluster != "source":
            continue
        for connector in connect.connectors or ():
            if connector.type == "source":
                topics = tuple(sorted(set(connector.topics or ()) & movable))
                yield Link("connector", connector.name, topics, f"{connect.url} lists the topics that it has used")


def _topics(count: int) -> str:
    return f"{count} topic{'' if count == 1 else 's'}"
