"""Groups that a change of routes would strand: their topics move with another route, or they do not move at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cutover_shim.cutover_file import pattern_matches

from cutover_harness.channels.problems import names_of
from cutover_harness.globs import matches

Routes = Mapping[str, Mapping[str, Any]]


def stranded(before: Routes, after: Routes) -> list[str]:
    """Return, in words, which groups would no longer move together with the topics of their route; empty if none.

    Which topics a group reads is not in the document: those that were in its route with it stay with it. A route may be
    dropped, or renamed, as a whole.
    """
    found: list[str] = []
    for name, route in before.items():
        for group in [*route["groups"], *_taken(after, route, "groups")]:
            if _owner(before, group, "groups") == name:
                found += _left(before, after, name, group)
    return list(dict.fromkeys(found))


def _left(before: Routes, after: Routes, route: str, group: str) -> Iterator[str]:
    """Yield the topics of the group's route that are not in its route afterwards."""
    to = _owner(after, group, "groups")
    topics = [*before[route]["topics"], *_taken(after, before[route], "topics")]
    for topic in topics:
        if _owner(before, topic, "topics") != route:
            continue
        there = _owner(after, topic, "topics")
        if there != to:
            yield (
                f"group {group!r} would be in {_words(to)}, and topic {topic!r}, which was in its route {route}, in "
                f"{_words(there)}: keep both in one route"
            )


def _taken(after: Routes, route: Mapping[str, Any], key: str) -> list[str]:
    """Return the names in `after` that a glob of this route has matched before."""
    return [
        name
        for names in names_of(after, key).values()
        for name in names
        if name not in route[key] and any(pattern_matches(glob, name) for glob in route[key])
    ]


def _owner(routes: Routes, name: str, key: str) -> str | None:
    """Return the route of a topic or group, by the rule of the shim; a glob is in the route with it, or a wider one."""
    named = names_of(routes, key)
    exact = [route for route, names in named.items() if name in names]
    found = exact or [route for route, names in named.items() if matches(name, names)]
    return found[0] if len(found) == 1 else None


def _words(route: str | None) -> str:
    return "no route" if route is None else f"route {route}"


def warnings(before: Routes, after: Routes) -> list[str]:
    """Return what a change may cost although it strands no group."""
    found = []
    for name, route in after.items():
        was = before.get(name)
        if route["producers"] == "target" != route["consumers"] and (was is None or was["producers"] != "target"):
            found.append(
                f"route {name}: producers go to the target while consumers are on {route['consumers']}: records on the "
                f"target wait until consumers are there, and a consumer that reads the source may be overtaken by them"
            )
        moved = [role for role in ("producers", "consumers") if route[role] != "source"]
        new = set(route["topics"]) - set([] if was is None else was["topics"])
        if new and moved:
            found.append(
                f"route {name}: {', '.join(sorted(new))} would follow {' and '.join(moved)} immediately, to "
                f"{', '.join(dict.fromkeys(route[role] for role in moved))}: only if the mirror has copied them"
            )
    dropped = [name for name in before if name not in after]
    return [*found, *(f"route {name}: is dropped: its clients stay where they are" for name in dropped)]


def reads_elsewhere(routes: Routes, reads: Mapping[str, Sequence[str]]) -> list[str]:
    """Return which groups are in another route than a topic that they have read. `reads`: topics by group.

    A group that is in no route, and reads topics of one, would stay on the source when they move.
    """
    found = []
    for group, topics in sorted(reads.items()):
        at = _owner(routes, group, "groups")
        for topic in sorted(topics):
            there = _owner(routes, topic, "topics")
            if there != at:
                found.append(
                    f"group {group!r} is in {_words(at)}, and topic {topic!r}, which it has read, in {_words(there)}: "
                    f"name both in one route"
                )
    return found
