"""All that is wrong with a document, not only the first: for a person who repairs it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cutover_shim.cutover_file import CLUSTERS, MAX_BYTES, CutoverFileError, parse, resolve
from cutover_shim.signature import signed, verify

from cutover_harness.channels.document import REFERENCE, raw, unresolved
from cutover_harness.globs import matches

_TOP = ("clusters", "generation", "routes")
_ROUTE = ("consumers", "groups", "producers", "topics")
_LOCATIONS = ("source", "hold", "target")
_HIGHEST = 1 << 63


def problems(text: str, keys: Sequence[bytes] = (), *, env: Mapping[str, str] | None = None) -> list[str]:
    """Return why applications with these keys would refuse the document, a line each; empty if they would accept it.

    `env` has the variables of references; with None no reference is resolved, also none to a file, as the applications'
    machine is another one.
    """
    content, found = raw(text), list[str]()
    if len(content) > MAX_BYTES:
        return [f"is larger than {MAX_BYTES >> 20} MiB"]
    if keys:
        try:
            verify(content, keys)
        except CutoverFileError as why:
            found.append(str(why))
    try:
        body = signed(content)[1].decode()
    except UnicodeDecodeError:
        return [*found, "is not UTF-8 text"]
    try:
        data = tomllib.loads(body)
    except (ValueError, RecursionError):
        return [*found, *_first(body)]
    try:
        found += [*_of_file(data), *_of_references(data, env)]
    except RecursionError:
        return [*found, "tables are nested too deeply"]
    # Whatever is not looked for here: the shim's own check.
    return found or _first(body if env is not None else unresolved(data), env)


def _first(body: str, env: Mapping[str, str] | None = None) -> list[str]:
    try:
        parse(body, os.environ if env is None else env)
    except CutoverFileError as why:
        return [str(why)]
    return []


def _of_file(data: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown("the file", data, _TOP)
    generation = data.get("generation")
    if isinstance(generation, bool) or not isinstance(generation, int) or not 0 <= generation < _HIGHEST:
        yield "generation: a whole number from 0 that grows with every change is required"
    clusters = data.get("clusters")
    if isinstance(clusters, dict):
        yield from _unknown("clusters", clusters, CLUSTERS)
        yield from _of_clusters(clusters)
    else:
        yield "the file: the table 'clusters' is required"
    routes = data.get("routes")
    if not isinstance(routes, dict):
        yield "the file: the table 'routes' is required"
    elif not routes:
        yield "routes: at least one [routes.NAME] table is required"
    else:
        for name, route in routes.items():
            yield from _of_route(f"routes.{name}", route)
        yield from _of_overlaps(routes)


def _of_clusters(clusters: Mapping[str, Any]) -> Iterator[str]:
    groups = set()
    for name in CLUSTERS:
        table = clusters.get(name)
        if not isinstance(table, dict):
            yield f"clusters: the table {name!r} is required"
            continue
        properties = dict(flat(table))
        for key, value in properties.items():
            if not isinstance(value, str | int | float):
                yield (
                    f"clusters.{name}.{key!r}: a string, number or boolean is required, found {type(value).__name__}"
                )
        servers = properties.get("bootstrap.servers")
        if not isinstance(servers, str) or not servers.strip():
            yield f'clusters.{name}: "bootstrap.servers" is required'
        group = properties.get("group.id")
        if not (isinstance(group, str) and REFERENCE.search(group)):  # otherwise only known once it is resolved
            groups.add(str(group).lower() if isinstance(group, bool) else str(group))
    if len(groups) > 1:
        yield (
            'clusters: "group.id" differs between source and target: leave it out, or set the same in both: under '
            "another name a group does not find its offsets"
        )


def _of_references(data: Mapping[str, Any], env: Mapping[str, str] | None) -> Iterator[str]:
    clusters = data.get("clusters")
    if not isinstance(clusters, dict) or env is None:
        return
    for name in CLUSTERS:
        table = clusters.get(name)
        for key, value in flat(table) if isinstance(table, dict) else ():
            for reference in REFERENCE.findall(value) if isinstance(value, str) else ():
                try:
                    resolve(reference, f"clusters.{name}.{key!r}", env)
                except CutoverFileError as why:
                    yield str(why)


def _of_route(where: str, route: Any) -> Iterator[str]:
    if not isinstance(route, dict):
        yield f"{where}: is no table: write [{where}]"
        return
    yield from _unknown(where, route, _ROUTE)
    for key in _ROUTE:
        if key not in route:
            yield f"{where}: {key!r} is missing; a route has {', '.join(_ROUTE)}"
        elif key in ("topics", "groups"):
            value = route[key]
            if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
                yield f"{where}.{key}: a list of names or globs is required"
            elif key == "topics" and not value:
                yield f"{where}.topics: at least one topic or glob is required"
        elif route[key] not in _LOCATIONS:
            yield f"{where}.{key}: one of {', '.join(_LOCATIONS)} is required"


def _of_overlaps(routes: Mapping[str, Any]) -> Iterator[str]:
    for key in ("topics", "groups"):
        named = names_of(routes, key)
        for name in dict.fromkeys(each for names in named.values() for each in names):
            owners = [route for route, names in named.items() if name in names]
            if len(owners) > 1:
                yield f"routes.{key}: {name!r} is in the routes {', '.join(owners)}: keep it in one"


def ambiguous(data: Mapping[str, Any], names: Sequence[str], key: str) -> list[str]:
    """Return which of these existing topics or groups match globs of several routes, and are named in none."""
    named = names_of(data["routes"], key)
    found = []
    for name in names:
        if not any(name in patterns for patterns in named.values()):
            owners = [route for route, patterns in named.items() if matches(name, patterns)]
            if len(owners) > 1:
                found.append(
                    f"{key[:-1]} {name!r} matches globs of the routes {', '.join(owners)}: name it in one of them"
                )
    return found


def names_of(routes: Mapping[str, Any], key: str) -> dict[str, list[str]]:
    """Return the names and globs under `key` of each route, without what is no text."""
    found = {}
    for name, route in routes.items():
        value = route.get(key) if isinstance(route, dict) else None
        found[name] = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
    return found


def flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the properties of a cluster: an unquoted `bootstrap.servers` is a nested table in TOML."""
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        found += flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return found


def _unknown(where: str, table: Mapping[str, Any], allowed: Sequence[str]) -> Iterator[str]:
    for key in sorted(set(table) - set(allowed)):
        yield f"{where}: unknown key {key!r}; allowed are {', '.join(allowed)}"
