"""Lines of a TOML file at which its keys are: `tomllib` does not give them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

At = tuple[str | int, ...]

_CLOSES = ("]", "}", '"""', "'''")
"""What the last line of a value of several lines contains."""


def key_lines(text: str) -> dict[At, int]:
    """Return the line (from 1) of each key, table and list entry of a valid TOML text."""
    found: dict[At, int] = {}
    table: At = ()
    statement, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not statement:
            if line.strip()[:1] in ("", "#"):
                continue
            first = number
        elif not any(mark in line for mark in _CLOSES):
            statement += f"{line}\n"
            continue
        statement += f"{line}\n"
        try:
            content = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # it ends in a later line
        is_table = statement.lstrip().startswith("[")
        paths = list(_paths(content))
        for path in paths:
            found.setdefault((() if is_table else table) + path, first)
        table = paths[-1] if is_table else table
        statement = ""
    return found


def line_at(lines: Mapping[At, int], at: Sequence[str | int]) -> int:
    """Return the line of the deepest part of a place that the file has; 1 for the whole file."""
    place = tuple(at)
    return next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), 1)


def _paths(content: Any, at: At = ()) -> Iterator[At]:
    """Yield the place of everything in a statement, outer parts first."""
    parts: Any = ()
    if isinstance(content, dict):
        parts = content.items()
    elif isinstance(content, list):
        parts = enumerate(content)
    for key, inner in parts:
        yield (*at, key)
        yield from _paths(inner, (*at, key))
