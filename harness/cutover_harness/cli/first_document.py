"""The first document of a fleet, from properties files and the names of topics and groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from cutover_harness.channels.problems import problems
from cutover_harness.channels.redaction import holds_secret
from cutover_harness.errors import UsageError
from cutover_harness.properties_file import read_properties

ONLY_ROUTE = "all"


def first_document(source: Path, target: Path, routes: Mapping[str, Any]) -> str:
    """Return generation 1 with these routes.

    Raises UsageError for anything that applications would refuse, and for a secret that is no reference.
    """
    clusters = {name: _properties(file) for name, file in (("source", source), ("target", target))}
    body = tomli_w.dumps({"generation": 1, "clusters": clusters, "routes": routes})
    if found := problems(body):
        raise UsageError(f"init: {'; '.join(found)}")
    return body


def named_routes(routes: Sequence[str], topics: Sequence[str], groups: Sequence[str]) -> dict[str, Any]:
    """Return routes with the topics and groups of a command line, on the source. Raises UsageError."""
    names = list(dict.fromkeys(routes)) or [ONLY_ROUTE]
    locations = {"producers": "source", "consumers": "source"}
    named: dict[str, Any] = {name: {"topics": [], "groups": [], **locations} for name in names}
    for option, field, values in (("--topic", "topics", topics), ("--group", "groups", groups)):
        for value in values:
            route, listed = _of_route(option, value, names)
            named[route][field] += listed
    return named


def _properties(file: Path) -> dict[str, str]:
    found = read_properties(file, resolve=False)
    for name, value in found.items():
        if holds_secret(name, value):
            raise UsageError(
                f"properties {file}: {name} is a secret itself, which every reader of the document would see: write "
                f"${{file:PATH}} or ${{NAME}}, which each application resolves"
            )
    return found


def _of_route(option: str, value: str, routes: Sequence[str]) -> tuple[str, list[str]]:
    """Return the route of an option's value, and the names in it."""
    route, equals, rest = value.partition("=")
    if not equals or route not in routes:
        if len(routes) > 1:
            raise UsageError(f"{option} {value}: names no route: write {option} ROUTE={value}, with one of --route")
        if equals and option == "--topic":  # a name of a group may contain it
            raise UsageError(f"{option} {value}: no topic has = in its name: add --route {route} if it is a route")
        route, rest = routes[0], value
    names = [name.strip() for name in rest.split(",")]
    if not all(names):
        raise UsageError(f"{option} {value}: has an empty name: write NAME,NAME")
    return route, names
