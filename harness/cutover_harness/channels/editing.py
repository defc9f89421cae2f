"""Changes of a document that a person asks for, such as `orders.consumers=hold`, with few changed lines."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w
from cutover_shim.cutover_file import CLUSTERS

from cutover_harness.channels.redaction import holds_secret
from cutover_harness.errors import UsageError

LOCATIONS = ("source", "hold", "target")
_ASSIGNMENT = re.compile(r"(?P<path>.+?)(?P<how>\+=|-=|=)(?P<value>.*)", re.DOTALL)
_LISTS = ("topics", "groups")
_FIELDS = ("producers", "consumers", *_LISTS)
_HEADER = re.compile(r"^\s*\[")
_SIMPLE = r"(\"[^\"\\\n]*\"|'[^'\n]*'|\[[^\[\]#\n]*\]|\d+)"
"""A value that ends on its line and that a comment may follow."""
_SHAPE = "write ROUTE.producers=target, ROUTE.topics+=NAME or clusters.source.PROPERTY=VALUE"


def changed(data: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return the content of a document after these changes. Raises UsageError that names the change."""
    after = copy.deepcopy(dict(data))
    for assignment in assignments:
        _apply(after, assignment)
    return after


def _apply(data: dict[str, Any], assignment: str) -> None:
    found = _ASSIGNMENT.fullmatch(assignment)
    if found is None:
        raise UsageError(f"{assignment!r}: is no change: {_SHAPE}")
    path, how, value = found["path"].strip(), found["how"], found["value"].strip()
    if path.startswith("clusters."):
        _set_property(data, assignment, path.removeprefix("clusters."), how, value)
        return
    route, dot, field = path.rpartition(".")
    prefix, inner, rest = route.partition(".")
    if inner and prefix in ("route", "routes") and route not in data["routes"]:
        route = rest
    if not dot or not route or field not in _FIELDS:
        raise UsageError(f"{assignment!r}: names nothing that can be changed: {_SHAPE}")
    if field in _LISTS:
        _set_names(data["routes"], assignment, route, field, how, value)
        return
    if how != "=" or value not in LOCATIONS:
        raise UsageError(f"{assignment!r}: {route} has no such location: one of {', '.join(LOCATIONS)} is possible")
    _route(data["routes"], assignment, route)[field] = value


def _route(routes: dict[str, Any], assignment: str, name: str) -> dict[str, Any]:
    if name not in routes:
        raise UsageError(f"{assignment!r}: there is no route {name!r}: the routes are {', '.join(routes)}")
    found: dict[str, Any] = routes[name]
    return found


def _set_names(routes: dict[str, Any], assignment: str, route: str, field: str, how: str, value: str) -> None:
    names = [name.strip() for name in value.split(",")] if value else []
    if not all(names) or (how != "=" and not names):
        raise UsageError(f"{assignment!r}: has an empty name: write NAME,NAME")
    if route not in routes and field == "topics" and how in ("=", "+="):
        routes[route] = {"topics": [], "groups": [], "producers": "source", "consumers": "source"}
    there: list[str] = _route(routes, assignment, route)[field]
    for name in names:
        if how == "-=" and name not in there:
            raise UsageError(f"{assignment!r}: {name!r} is not among the {field} of {route}")
        if how == "+=" and name in there:
            raise UsageError(f"{assignment!r}: {name!r} is among the {field} of {route} already")
    kept = {"=": names, "+=": [*there, *names], "-=": [name for name in there if name not in names]}[how]
    if field == "topics" and not kept:
        raise UsageError(f"{assignment!r}: would leave {route} without topics: a route has at least one")
    routes[route][field] = kept


def _set_property(data: dict[str, Any], assignment: str, path: str, how: str, value: str) -> None:
    cluster, _, name = path.partition(".")
    name = name.strip("\"'")
    if cluster not in CLUSTERS or not name or how != "=":
        raise UsageError(f"{_masked(assignment)!r}: names no property: write clusters.source.PROPERTY=VALUE")
    if holds_secret(name, value):
        raise UsageError(
            f"{_masked(assignment)!r}: holds a secret, which would be on the command line and in the document: write "
            f"${{file:PATH}} or ${{NAME}}"
        )
    table = data["clusters"][cluster]
    parts = name.split(".")
    nested = table
    for part in parts[:-1]:  # an unquoted bootstrap.servers is a table in TOML
        nested = nested.get(part) if isinstance(nested, dict) else None
    if name not in table and isinstance(nested, dict) and parts[-1] in nested:
        table, name = nested, parts[-1]
    if value:
        table[name] = value
    elif name in table:
        del table[name]
    else:
        raise UsageError(f"{assignment!r}: {cluster} has no property {name!r} to remove")


def _masked(assignment: str) -> str:
    return f"{assignment.partition('=')[0]}=***"


def edited(body: str, after: Mapping[str, Any]) -> str:
    """Return the text of a document with this content: `body` with the lines changed that differ, comments kept.

    If that is not possible, for instance with a value of several lines, the text is written anew, without comments.
    """
    before = tomllib.loads(body)
    text = _with_line(body, "", "generation", after["generation"])
    for name, route in after["routes"].items():
        for field in _FIELDS:
            if before["routes"].get(name, {}).get(field) != route[field]:
                text = _with_line(text, rf"routes\s*\.\s*[\"']?{re.escape(name)}[\"']?", field, route[field])
    try:
        same = tomllib.loads(text) == after
    except ValueError:
        same = False
    return text if same else tomli_w.dumps(after)


def _with_line(text: str, table: str, key: str, value: Any) -> str:
    """Return the text with another value in the line of `key`, which is in the table with this header."""
    inside, lines = not table, text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if _HEADER.match(line):
            inside = bool(table) and re.match(rf"^\s*\[\s*{table}\s*\]", line) is not None
        elif inside and (found := re.match(rf"^(\s*{key}\s*=\s*){_SIMPLE}(\s*(?:#.*)?)$", line.rstrip("\r\n"))):
            end = line[len(line.rstrip("\r\n")) :]
            lines[number] = f"{found[1]}{_toml(value)}{found[3]}{end}"
            break
    return "".join(lines)


def _toml(value: Any) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")
