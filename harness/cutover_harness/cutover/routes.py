"""The routes of a plan's batches in the document that clients follow. Pure functions."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from cutover_harness.errors import UsageError
from cutover_harness.globs import is_glob, matches
from cutover_harness.plan.batch import STAYS
from cutover_harness.planning.model import PlannedBatch

ON_SOURCE = {"producers": "source", "consumers": "source"}
"""Where the clients of a route are before it moves."""


def shim_groups(batch: PlannedBatch) -> list[str]:
    """Return the groups of a batch whose consumers follow documents."""
    return [name for name, mover in batch.groups.items() if mover.moves == "shim"]


def with_route(
    data: Mapping[str, Any], batch: PlannedBatch, staying: Iterable[str], moving: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the content of a document with the batch's route, on the source; its generation is left as it is.

    staying: names of topics that the batch's patterns match and that it leaves out; they get a route that stays, since
    a name wins over a pattern. moving: the batch's topics on the source; those that a pattern of another route matches
    too, such as `*`, are named in the batch's route for the same reason. Raises UsageError if the document has the
    route with other topics or groups, topics or groups of it in another route, or a pattern for them that has moved.
    """
    after = copy.deepcopy(dict(data))
    routes: dict[str, Any] = after.setdefault("routes", {})
    others = {name: route for name, route in routes.items() if name not in (batch.name, STAYS)}
    named = _to_name(others, batch, moving)
    wanted = {"topics": [*batch.topics, *named], "groups": shim_groups(batch)}
    there = routes.get(batch.name)
    if there is None:
        _take_from_stays(routes, batch)
        _refuse_taken(routes, batch)
        _refuse_moved(others, batch, named)
        routes[batch.name] = {**wanted, **ON_SOURCE}
    elif not _has(there, batch):
        raise UsageError(
            f"route {batch.name} of the document has topics {', '.join(there.get('topics', []))} and groups "
            f"{', '.join(there.get('groups', [])) or 'none'}, and the plan has {', '.join(wanted['topics'])} and "
            f"{', '.join(wanted['groups']) or 'none'}: make them equal"
        )
    elif {key: there.get(key) for key in ON_SOURCE} == ON_SOURCE:
        # Topics that are newer than the route. A route that has left the source would move them immediately.
        there["topics"] = [*there["topics"], *(name for name in named if name not in there["topics"])]
    elsewhere = {topic for name, route in routes.items() if name != STAYS for topic in route.get("topics", [])}
    if stays := sorted(set(staying) - elsewhere):  # the name of a topic wins over the batch's pattern in any route
        listed = routes.setdefault(STAYS, {"topics": [], "groups": [], **ON_SOURCE})
        listed["topics"] = sorted({*listed["topics"], *stays})
    return after


def _to_name(others: Mapping[str, Any], batch: PlannedBatch, moving: Iterable[str]) -> list[str]:
    """Return the topics that patterns of two routes match: clients stay on the source until one route names them."""
    globs = [pattern for route in others.values() for pattern in route.get("topics", [])]
    return sorted(name for name in set(moving) if name not in batch.topics and matches(name, globs))


def _take_from_stays(routes: dict[str, Any], batch: PlannedBatch) -> None:
    """Remove topics that the batch names: another batch left them out by `exclude`, and they move with this one."""
    there = routes.get(STAYS)
    if there is None or {key: there.get(key) for key in ON_SOURCE} != ON_SOURCE:
        return
    there["topics"] = [topic for topic in there["topics"] if topic not in batch.topics]
    if not there["topics"] and not there["groups"]:
        del routes[STAYS]


def _has(there: Mapping[str, Any], batch: PlannedBatch) -> bool:
    """Return whether a route has the batch's topics and groups, and besides only names of topics of the batch."""
    topics = set(there.get("topics", []))
    more = topics - set(batch.topics)
    return (
        topics >= set(batch.topics)
        and all(not is_glob(name) and matches(name, batch.topics) for name in more)
        and not any(matches(name, batch.exclude) for name in more)
        and sorted(there.get("groups", [])) == sorted(shim_groups(batch))
    )


def _refuse_taken(routes: Mapping[str, Any], batch: PlannedBatch) -> None:
    for name, route in routes.items():
        for field, mine in (("topics", batch.topics), ("groups", shim_groups(batch))):
            if taken := sorted(set(mine) & set(route.get(field, []))):
                raise UsageError(
                    f"route {name} of the document has {field} {', '.join(taken)}, which the plan moves in batch "
                    f"{batch.name}: take them out of it with kafka-cutover file set, while all are on the source"
                )


def _refuse_moved(others: Mapping[str, Any], batch: PlannedBatch, named: Iterable[str]) -> None:
    """Refuse a route that is not on the source and whose patterns match: a new route would move its clients back."""
    for name, route in others.items():
        if {key: route.get(key) for key in ON_SOURCE} == ON_SOURCE:
            continue
        for field, mine in (("topics", named), ("groups", shim_groups(batch))):
            if taken := sorted(each for each in mine if matches(each, route.get(field, []))):
                raise UsageError(
                    f"route {name} of the document is not on the source, and its {field} match {', '.join(taken)} of "
                    f"batch {batch.name}: move it back with kafka-cutover file set before the batch begins"
                )
