"""The one route of the abstract world, and its clients."""

from __future__ import annotations

from dataclasses import dataclass

from cutover_harness.explore.case import Case
from cutover_harness.procedure.context import RouteClients
from cutover_harness.procedure.restarted import RestartedClient
from cutover_harness.types import Location, Role

TOPIC, ROUTE = "t", "r"
LOCATIONS: tuple[Location, ...] = ("source", "hold", "target")
ROLES: tuple[Role, ...] = ("producer", "consumer")


@dataclass(frozen=True)
class Locations:
    """See `LocationsLike`."""

    producers: Location
    consumers: Location


def route_of(case: Case) -> RouteClients:
    """Return the clients that the conductor expects."""
    count = case.bounds.partitions
    clients = {
        f"{role}-{number}": role for role in ROLES for number in range(count) if not case.restarted(role, number)
    }
    restarts = []
    if case.fleet in ("restarted-producer", "restarted", "mixed"):
        restarts.append(RestartedClient("app", "producer", None, 60.0, hooked=case.requests))
    if case.fleet in ("restarted-group", "restarted", "mixed"):
        restarts.append(RestartedClient(case.group_of(0), "consumer", 1, 60.0, hooked=case.requests))
    members = dict.fromkeys(case.groups, count) if case.fleet == "restart" else None
    return RouteClients(ROUTE, list(case.groups), {} if members else clients, members, restarts)
