"""The cutover file: what it may say, and reading it from text. Pure: no file is watched and no client is touched here.

The format is described in docs/cutover-file.md. `parse` is also what a writer uses to check what it is about to write.
"""

from __future__ import annotations

import fnmatch
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from cutover_shim.errors import CutoverFileError

__all__ = ["Cluster", "CutoverFile", "CutoverFileError", "Route", "Where", "means", "parse"]

Where = Literal["source", "hold", "target"]
Property = str | int | float

MAX_BYTES = 1 << 20
_PLACES = ("source", "hold", "target")
_CLUSTERS = ("source", "target")
_TOP = {"generation", "clusters", "routes"}
_ROUTE = {"topics", "groups", "producers", "consumers"}
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_GLOB = re.compile(r"[*?\[]")
_SENSITIVE = re.compile(r"password|secret|token|\.key|pem|jaas|sasl\.oauthbearer\.config", re.IGNORECASE)


@dataclass(frozen=True, repr=False)
class Cluster:
    """One of the two clusters: plain librdkafka properties which win over the application's own."""

    name: str
    properties: Mapping[str, Property]
    secrets: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"Cluster({self.name!r}, properties={sorted(self.properties)})"

    def redact(self, text: str) -> str:
        """Take this cluster's secret values out of a message that librdkafka or the system made."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


@dataclass(frozen=True)
class Route:
    """Topics and groups that move together, and where its producers and consumers should be."""

    name: str
    topics: tuple[str, ...]
    groups: tuple[str, ...]
    producers: Where
    consumers: Where


@dataclass(frozen=True)
class CutoverFile:
    """One good version of the file."""

    generation: int
    clusters: Mapping[str, Cluster]
    routes: Mapping[str, Route]

    def route_of_topic(self, topic: str) -> str | None:
        """Name the route that a topic belongs to: a route that names it wins over one whose glob matches it."""
        return _route_of(topic, {r.name: r.topics for r in self.routes.values()}, "topic")

    def route_of_group(self, group: str) -> str | None:
        """Name the route that a consumer group belongs to, by the rule of `route_of_topic`."""
        return _route_of(group, {r.name: r.groups for r in self.routes.values()}, "group")


def means(pattern: str, name: str) -> bool:
    """Return whether a pattern of the file means `name`: it is the name itself, or a glob that matches it.

    Names of groups may contain the characters of globs, and a group "orders[blue]" has to be found by its name.
    """
    return pattern == name or (_GLOB.search(pattern) is not None and fnmatch.fnmatchcase(name, pattern))


def _route_of(name: str, patterns: Mapping[str, tuple[str, ...]], kind: str) -> str | None:
    exact = [route for route, names in patterns.items() if name in names]
    found = exact or [route for route, names in patterns.items() if any(means(pattern, name) for pattern in names)]
    if len(found) > 1:
        raise CutoverFileError(
            f"{kind} {name!r} matches globs of the routes {', '.join(sorted(found))}: name it in one of them"
        )
    return found[0] if found else None


def parse(text: str, env: Mapping[str, str] | None = None) -> CutoverFile:
    """Read a cutover file from its text.

    `env` answers `${NAME}` references (default: the process's environment).
    Raises CutoverFileError on anything malformed, incomplete, unknown or contradictory; its text holds no values.
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and int()'s own for more than 4,300 digits
        raise CutoverFileError(f"not valid TOML: {_position(error)}") from None
    try:
        return _file(data, os.environ if env is None else env)
    except RecursionError:
        raise CutoverFileError("tables are nested too deeply") from None


def _file(data: Mapping[str, Any], environment: Mapping[str, str]) -> CutoverFile:
    _known("the file", data, _TOP)
    generation = data.get("generation")
    if isinstance(generation, bool) or not isinstance(generation, int) or not 0 <= generation < 1 << 63:
        raise CutoverFileError("generation: a whole number from 0 that grows with every change is required")
    clusters = _table(data, "clusters", "the file")
    _known("clusters", clusters, set(_CLUSTERS))
    routes = _table(data, "routes", "the file")
    if not routes:
        raise CutoverFileError("routes: at least one [routes.NAME] table is required")
    parsed = CutoverFile(
        generation=generation,
        clusters=MappingProxyType(
            {name: _cluster(name, _table(clusters, name, "clusters"), environment) for name in _CLUSTERS}
        ),
        routes=MappingProxyType({name: _route(name, _table(routes, name, "routes")) for name in routes}),
    )
    _no_overlap(parsed)
    _one_group(parsed)
    return parsed


def _one_group(file: CutoverFile) -> None:
    # The mirror translates the offsets of a group to the group of the same name.
    if len({str(cluster.properties.get("group.id")) for cluster in file.clusters.values()}) > 1:
        raise CutoverFileError(
            'clusters: "group.id" differs between source and target: leave it out, or set the same in both; by another '
            "name a group does not find its offsets"
        )


def _position(error: Exception) -> str:
    # Python 3.14 added the offending text's attributes; the message alone may quote a character, never a whole value.
    found = re.search(r"\(at [^)]*\)", str(error))
    return found.group(0).strip("()") if found else "nested too deeply or unreadable"


def _known(where: str, table: Mapping[str, Any], allowed: set[str]) -> None:
    unknown = sorted(set(table) - allowed)
    if unknown:
        raise CutoverFileError(f"{where}: unknown key {unknown[0]!r}; allowed are {', '.join(sorted(allowed))}")


def _table(parent: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise CutoverFileError(f"{where}: the table {name!r} is required")
    return value


def _cluster(name: str, table: Mapping[str, Any], env: Mapping[str, str]) -> Cluster:
    properties: dict[str, Property] = {}
    secrets: set[str] = set()
    for key, value in _flat(table, ""):
        where = f"clusters.{name}.{key!r}"
        if isinstance(value, bool):
            properties[key] = "true" if value else "false"
        elif isinstance(value, int | float):
            properties[key] = value
        elif isinstance(value, str):
            expanded = _expand(value, where, env, secrets)
            if expanded and _SENSITIVE.search(key):
                secrets.add(expanded)
            properties[key] = expanded
        else:
            raise CutoverFileError(f"{where}: a string, number or boolean is required, found {type(value).__name__}")
    servers = properties.get("bootstrap.servers")
    if not isinstance(servers, str) or not servers.strip():
        raise CutoverFileError(f'clusters.{name}: "bootstrap.servers" is required')
    return Cluster(name, MappingProxyType(properties), frozenset(secrets))


def _expand(text: str, where: str, env: Mapping[str, str], secrets: set[str]) -> str:
    """Put in the values of `${NAME}` and `${file:PATH}`, and remember them, so that messages can be redacted."""

    def value(match: re.Match[str]) -> str:
        found = _lookup(match.group(1), where, env)
        if len(found) > 3:  # a shorter one would take letters out of unrelated words
            secrets.add(found)
        return found

    return _REFERENCE.sub(value, text)


def _flat(table: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    # An unquoted `bootstrap.servers = …` is a nested table in TOML; everybody means the property.
    out: list[tuple[str, Any]] = []
    for key, value in table.items():
        out += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return out


def _lookup(reference: str, where: str, env: Mapping[str, str]) -> str:
    if reference.startswith("file:"):
        path = reference.removeprefix("file:")
        try:
            if not Path(path).is_file() or Path(path).stat().st_size > MAX_BYTES:
                raise CutoverFileError(f"{where}: {path} is not a file of less than 1 MiB")
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            if isinstance(error, CutoverFileError):
                raise
            raise CutoverFileError(f"{where}: cannot read {path}: {type(error).__name__}") from None
    if reference not in env:
        raise CutoverFileError(f"{where}: the environment variable {reference!r} is not set")
    return env[reference]


def _route(name: str, table: Mapping[str, Any]) -> Route:
    where = f"routes.{name}"
    _known(where, table, _ROUTE)
    missing = sorted(_ROUTE - set(table))
    if missing:
        # All four are demanded, so that a file cut short in the middle of a route is never taken for a whole one.
        raise CutoverFileError(f"{where}: {missing[0]!r} is missing; a route has {', '.join(sorted(_ROUTE))}")
    topics, groups = _names(where, "topics", table), _names(where, "groups", table)
    if not topics:
        raise CutoverFileError(f"{where}.topics: at least one topic or glob is required")
    places = {}
    for role in ("producers", "consumers"):
        if table[role] not in _PLACES:
            raise CutoverFileError(f"{where}.{role}: one of {', '.join(_PLACES)} is required")
        places[role] = table[role]
    return Route(name, topics, groups, places["producers"], places["consumers"])


def _names(where: str, key: str, table: Mapping[str, Any]) -> tuple[str, ...]:
    value = table[key]
    if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
        raise CutoverFileError(f"{where}.{key}: a list of names or globs is required")
    return tuple(value)


def _no_overlap(file: CutoverFile) -> None:
    for key in ("topics", "groups"):
        owner: dict[str, str] = {}
        for route in file.routes.values():
            for name in getattr(route, key):
                if owner.setdefault(name, route.name) != route.name:
                    raise CutoverFileError(
                        f"routes.{route.name}.{key}: {name!r} is in the route {owner[name]} too; keep it in one"
                    )
