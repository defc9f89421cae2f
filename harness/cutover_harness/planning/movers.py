"""How each client moves: in the running process if statuses of the shim attest it, otherwise by a restart. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from cutover_harness.globs import matches
from cutover_harness.inventory.model import GroupEntry, Listing, ShimClient
from cutover_harness.planning.links import Link, streams_application
from cutover_harness.planning.model import Mover
from cutover_harness.planning.systems import How
from cutover_harness.words import listed

_ALIVE = timedelta(minutes=15)
"""Clients write their status each second; an inventory takes minutes."""


@dataclass(frozen=True)
class Moves:
    """How a client moves, and why."""

    mover: Mover
    why: str


class Attested:
    """The clients of the shim by group and by application."""

    def __init__(self, listing: Listing) -> None:
        self._created = listing.created
        self._by_group: dict[str, list[ShimClient]] = defaultdict(list)
        self._by_app: dict[str, list[ShimClient]] = defaultdict(list)
        for client in listing.clients:
            if client.role == "producer":
                self._by_app[client.app or client.client_id or client.instance].append(client)
            elif client.group is not None:
                self._by_group[client.group].append(client)

    def of_group(self, group: str) -> list[ShimClient]:
        """Return all consumers of the shim in a group, also those that have ended."""
        return self._by_group[group]

    def of_app(self, app: str) -> list[ShimClient]:
        """Return all producers of the shim of an application."""
        return self._by_app[app]

    def alive(self, clients: Iterable[ShimClient]) -> list[ShimClient]:
        """Return those that ran when the inventory was taken."""
        oldest = self._created - _ALIVE
        return [each for each in clients if not each.ended and (each.updated is None or each.updated >= oldest)]


def move_of_group(group: GroupEntry, attested: Attested, decided: Mapping[str, How]) -> Moves:
    """Return how the members of a group move. decided: by name or glob, what a person has decided."""
    count = len(group.members) if group.members else None
    if group.connector is not None:
        return Moves(Mover(moves="connector", connector=group.connector), "a sink connector")
    if (how := _decided(group.name, decided)) is not None:
        return Moves(Mover(moves=how, instances=count), "decided in systems.yaml")
    clients = attested.of_group(group.name)
    if group.members is None:
        return Moves(Mover(moves="restart"), "its members are not known")
    if not group.members:
        if clients:
            return Moves(Mover(moves="shim"), "no member now; its last clients had the shim")
        return Moves(Mover(moves="restart"), "no member now, and no status of the shim")
    running = Counter(each.client_id for each in attested.alive(clients))
    missing = Counter(member.client_id for member in group.members)
    unnamed = running.pop(None, 0)  # statuses of earlier versions lack the client.id
    missing -= Counter({name: number for name, number in running.items() if name is not None})
    left = sum(missing.values()) - unnamed
    if left <= 0:
        return Moves(Mover(moves="shim", instances=count), "all members have a status of the shim")
    hosts = sorted({f"{member.client_id} on {member.host}" for member in group.members if member.client_id in missing})
    why = f"{left} of {count} members without a status of the shim: {listed(hosts, 3)}"
    return Moves(Mover(moves="restart", instances=count), why)


def moves_of_producers(
    links: Iterable[Link], groups: Iterable[str], attested: Attested, decided: Mapping[str, How]
) -> dict[str, Moves]:
    """Return how the known producers among the links of a batch move, by name.

    A transactional id counts as that of an application of the shim that writes all of its topics, and as that of its
    group if it is Kafka Streams; these have an entry already.
    """
    links, names = list(links), set(groups)
    apps = [link for link in links if link.kind == "app"]
    found: dict[str, Moves] = {}
    for link in links:
        how = _decided(link.name, decided)
        if link.kind == "app":
            alive = len(attested.alive(attested.of_app(link.name))) or None
            why = "decided in systems.yaml" if how else "has statuses of the shim"
            found[link.name] = Moves(Mover(moves=how or "shim", instances=alive), why)
        elif link.kind == "connector":
            found[link.name] = Moves(Mover(moves="connector", connector=link.name), "a source connector")
        elif link.kind == "transactional id":
            if link.name in names or streams_application(link.name, names) is not None:
                continue
            if any(set(link.topics) <= set(app.topics) for app in apps):
                continue
            why = (
                "decided in systems.yaml" if how else "a transactional id; no application of the shim writes its topics"
            )
            found.setdefault(link.name, Moves(Mover(moves=how or "restart"), why))
    return found


def _decided(name: str, decided: Mapping[str, How]) -> How | None:
    return decided.get(name) or next((how for pattern, how in decided.items() if matches(name, [pattern])), None)
