"""The clients that a batch moves, by the statuses that they report, compared with the plan. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cutover_harness.planning.model import PlannedBatch
from cutover_harness.types import Role


@dataclass(frozen=True)
class Expected:
    """Clients by instance, with their roles; `problems`: what contradicts the plan, a line each."""

    clients: Mapping[str, Role] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def expected(batch: PlannedBatch, statuses: Iterable[Mapping[str, Any]]) -> Expected:
    """Return the clients that report on the batch's route.

    A group or producer that the plan moves with the shim needs a client that reports, and as many as it says if it says
    so; a client that the plan does not know, or that it moves otherwise, contradicts it.
    """
    clients: dict[str, Role] = {}
    found: dict[tuple[Role, str], list[str]] = {}
    problems: list[str] = []
    open_ones = [each for each in statuses if not each.get("closed") and isinstance(each.get("routes"), Mapping)]
    elsewhere = _routes_of([each for each in open_ones if batch.name not in each["routes"]])
    for status in open_ones:
        if batch.name not in status["routes"]:
            continue
        instance = str(status.get("instance"))
        role: Role = "producer" if status.get("role") == "producer" else "consumer"
        clients[instance] = role
        names = _names(status, role)
        movers = batch.producers if role == "producer" else batch.groups
        known = next((name for name in names if name in movers), None)
        what = f"{role} {instance}" + (f" ({names[0]})" if names else "")
        if known is None:
            where = "producers" if role == "producer" else "groups"
            named = "its cutover.app or client.id" if role == "producer" else "its group"
            problems.append(f"{what} reports on the route, and {named} is not among the plan's {where}: add it")
        elif movers[known].moves != "shim":
            problems.append(f"{what} reports with the shim, and the plan moves it by {movers[known].moves}")
        else:
            found.setdefault((role, known), []).append(instance)
    for role, movers in (("consumer", batch.groups), ("producer", batch.producers)):
        for name, mover in movers.items():
            if mover.moves != "shim":
                continue
            there = len(found.get((role, name), ()))
            wanted = mover.instances
            label = f"group {name}" if role == "consumer" else f"producer {name}"
            if not there:
                problems.append(
                    f"{label} has no client that reports on the route: {_todo(elsewhere.get((role, name)))}"
                )
            elif wanted is not None and there != wanted:
                problems.append(f"{label} has {there} clients that report, and the plan has instances: {wanted}")
    return Expected(clients, tuple(problems))


def _routes_of(statuses: Iterable[Mapping[str, Any]]) -> Mapping[tuple[Role, str], set[str]]:
    """Return the routes on which clients report, by the names by which the plan may know them."""
    found: dict[tuple[Role, str], set[str]] = {}
    for status in statuses:
        role: Role = "producer" if status.get("role") == "producer" else "consumer"
        for name in _names(status, role):
            found.setdefault((role, name), set()).update(map(str, status["routes"]))
    return found


def _todo(routes: set[str] | None) -> str:
    if not routes:
        return "start it with the shim"
    return f"its clients report on {', '.join(sorted(routes))}: restart them, as a running client keeps its route"


def _names(status: Mapping[str, Any], role: Role) -> list[str]:
    """Return the names by which the plan may know a client, the best one first."""
    fields = ("app", "client_id") if role == "producer" else ("group",)
    return [str(status[name]) for name in fields if status.get(name)]
