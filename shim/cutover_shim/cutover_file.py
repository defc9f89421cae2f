"""The cutover file: its content, and parsing it from text. No file is watched and no client is touched here.

Everything in `__all__` is public: a writer of the file uses `parse` to check what it is about to write. The format is
described in docs/cutover-file.md.
"""

from __future__ import annotations

import fnmatch
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from cutover_shim.errors import CutoverFileError, UnresolvedError

__all__ = ["Cluster", "ClusterName", "CutoverFile", "CutoverFileError", "Location", "Route", "parse", "pattern_matches"]

Location = Literal["source", "hold", "target"]
ClusterName = Literal["source", "target"]
Property = str | int | float

MAX_BYTES = 1 << 20
_LOCATIONS = ("source", "hold", "target")
CLUSTERS: tuple[ClusterName, ...] = ("source", "target")
_TOP = {"generation", "clusters", "routes"}
_ROUTE = {"topics", "groups", "producers", "consumers"}
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_GLOB = re.compile(r"[*?\[]")
_REST = re.compile(r"(sasl\.oauthbearer\.config beginning at: ).*", re.DOTALL)  # librdkafka quotes the rest of a value
SENSITIVE = re.compile(r"password|secret|token|\.key|pem|jaas|sasl\.oauthbearer\.config", re.IGNORECASE)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return a text of librdkafka or the operating system with these values replaced by ***."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _REST.sub(r"\1***", text)


@dataclass(frozen=True, repr=False)
class Cluster:
    """One of the two clusters: plain librdkafka properties, which win over the application's own."""

    name: ClusterName
    properties: Mapping[str, Property]
    secrets: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"Cluster({self.name!r}, properties={sorted(self.properties)})"

    def redact(self, text: str) -> str:
        """Return a text of librdkafka or the operating system with this cluster's secret values replaced by ***."""
        return redacted(text, self.secrets)


@dataclass(frozen=True)
class Route:
    """Topics and groups that move together, and the locations of their producers and consumers."""

    name: str
    topics: tuple[str, ...]
    groups: tuple[str, ...]
    producers: Location
    consumers: Location


@dataclass(frozen=True)
class CutoverFile:
    """One good version of the file."""

    generation: int
    clusters: Mapping[str, Cluster]
    routes: Mapping[str, Route]

    def redact(self, text: str) -> str:
        """Return a message of librdkafka or the system without the secret values of both clusters."""
        for cluster in self.clusters.values():
            text = cluster.redact(text)
        return text

    def route_of_topic(self, topic: str) -> str | None:
        """Return the name of a topic's route, None for no route; a route that names it wins over one with a glob.

        Raises CutoverFileError if only globs match it, and of several routes.
        """
        return _route_of(topic, {r.name: r.topics for r in self.routes.values()}, "topic")

    def route_of_group(self, group: str) -> str | None:
        """Return the name of a consumer group's route, as `route_of_topic`."""
        return _route_of(group, {r.name: r.groups for r in self.routes.values()}, "group")


def pattern_matches(pattern: str, name: str) -> bool:
    """Return whether a pattern of the file matches a name: it equals the name, or is a glob that matches it.

    Group names may contain the characters of globs: a group "orders[blue]" is matched by its name.
    """
    return pattern == name or (_GLOB.search(pattern) is not None and fnmatch.fnmatchcase(name, pattern))


def _route_of(name: str, patterns: Mapping[str, tuple[str, ...]], kind: str) -> str | None:
    exact = [route for route, names in patterns.items() if name in names]
    found = exact or [
        route for route, names in patterns.items() if any(pattern_matches(pattern, name) for pattern in names)
    ]
    if len(found) > 1:
        raise CutoverFileError(
            f"{kind} {name!r} matches globs of the routes {', '.join(sorted(found))}: name it in one of them"
        )
    return found[0] if found else None


def parse(text: str, env: Mapping[str, str] | None = None) -> CutoverFile:
    """Return the content of a cutover file.

    `env` has the values of `${NAME}` references (default: the process's environment); `${file:PATH}` is always read.
    Raises CutoverFileError for anything malformed, incomplete, unknown or contradictory: one line that names the place
    and contains no values of properties.
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
    _known("clusters", clusters, set(CLUSTERS))
    routes = _table(data, "routes", "the file")
    if not routes:
        raise CutoverFileError("routes: at least one [routes.NAME] table is required")
    parsed = CutoverFile(
        generation=generation,
        clusters=MappingProxyType(
            {name: _cluster(name, _table(clusters, name, "clusters"), environment) for name in CLUSTERS}
        ),
        routes=MappingProxyType({name: _route(name, _table(routes, name, "routes")) for name in routes}),
    )
    _no_overlap(parsed)
    _one_group(parsed)
    return parsed


def _one_group(file: CutoverFile) -> None:
    # The mirror translates the offsets of a group to those of the group with the same name.
    if len({str(cluster.properties.get("group.id")) for cluster in file.clusters.values()}) > 1:
        raise CutoverFileError(
            'clusters: "group.id" differs between source and target: leave it out, or set the same in both: under '
            "another name a group does not find its offsets"
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


def _cluster(name: ClusterName, table: Mapping[str, Any], env: Mapping[str, str]) -> Cluster:
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
            if expanded and SENSITIVE.search(key):
                secrets.add(expanded)
            properties[key] = expanded
        else:
            raise CutoverFileError(f"{where}: a string, number or boolean is required, found {type(value).__name__}")
    servers = properties.get("bootstrap.servers")
    if not isinstance(servers, str) or not servers.strip():
        raise CutoverFileError(f'clusters.{name}: "bootstrap.servers" is required')
    return Cluster(name, MappingProxyType(properties), frozenset(secrets))


def _expand(text: str, where: str, env: Mapping[str, str], secrets: set[str]) -> str:
    """Replace `${NAME}` and `${file:PATH}` by their values, and add those to `secrets`, to redact texts by."""

    def value(match: re.Match[str]) -> str:
        found = resolve(match.group(1), where, env)
        if len(found) > 3:  # a shorter one would replace letters in unrelated words
            secrets.add(found)
        return found

    return _REFERENCE.sub(value, text)


def _flat(table: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    # An unquoted `bootstrap.servers = …` is a nested table in TOML; what is meant is the property.
    out: list[tuple[str, Any]] = []
    for key, value in table.items():
        out += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return out


def resolve(reference: str, where: str, env: Mapping[str, str]) -> str:
    """Return the value of a reference, `NAME` or `file:PATH`. Raises UnresolvedError, which begins with `where`."""
    if reference.startswith("file:"):
        path = reference.removeprefix("file:")
        try:
            if not Path(path).exists():
                raise UnresolvedError(f"{where}: {path} does not exist")
            if not Path(path).is_file() or Path(path).stat().st_size > MAX_BYTES:
                raise UnresolvedError(f"{where}: {path} is not a file of less than 1 MiB")
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            if isinstance(error, UnresolvedError):
                raise
            raise UnresolvedError(f"{where}: cannot read {path}: {type(error).__name__}") from None
    if reference not in env:
        raise UnresolvedError(f"{where}: the environment variable {reference!r} is not set")
    return env[reference]


def _route(name: str, table: Mapping[str, Any]) -> Route:
    where = f"routes.{name}"
    _known(where, table, _ROUTE)
    missing = sorted(_ROUTE - set(table))
    if missing:
        # All four are required, so that a file that is cut off inside a route is never taken for a complete one.
        raise CutoverFileError(f"{where}: {missing[0]!r} is missing; a route has {', '.join(sorted(_ROUTE))}")
    topics, groups = _names(where, "topics", table), _names(where, "groups", table)
    if not topics:
        raise CutoverFileError(f"{where}.topics: at least one topic or glob is required")
    locations = {}
    for role in ("producers", "consumers"):
        if table[role] not in _LOCATIONS:
            raise CutoverFileError(f"{where}.{role}: one of {', '.join(_LOCATIONS)} is required")
        locations[role] = table[role]
    return Route(name, topics, groups, locations["producers"], locations["consumers"])


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
