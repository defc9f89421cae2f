"""Problems of a plan file: where each one is, and those of its shape, all of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from cutover_harness.mistake_words import is_address
from cutover_harness.plan.mistakes import mistakes_of
from cutover_harness.plan.yaml_lines import line_of
from cutover_harness.planning.model import SECRET, PlanFile

At = tuple[str | int, ...]
_ROUNDS = 30
_LONGEST = 80
"""A longer name is none of a batch, and its number is shown instead."""
_OF_WHAT_IS_LACKING = ("missing", "too_short", "value_error")
"""Errors that can be due to a missing part; value_error: of fields that do not fit together."""


@dataclass(frozen=True, order=True)
class Problem:
    """A problem: file, line (0: of the whole file), and what it is. `field` is empty in files that are no plans."""

    file: str
    line: int
    field: str
    text: str

    def __str__(self) -> str:
        """Return it in one line."""
        line = f":{self.line}" if self.line else ""
        return f"{self.file}{line}: {f'{self.field}: ' if self.field else ''}{self.text}"


class PlanText:
    """A plan's text, for the lines of its fields. Batches are named in fields, and numbers of the model's in places.

    rows: the number in the text of each batch of the model, as a batch that cannot be read is left out of the model.
    """

    def __init__(self, name: str, node: yaml.Node | None, data: Any) -> None:
        self._name, self._node, self._data = name, node, data
        batches = data.get("batches") if isinstance(data, dict) else None
        self.rows: list[int] = list(range(len(batches))) if isinstance(batches, list) else []

    def problem(self, at: At, text: str) -> Problem:
        """Return a problem at a place in the model."""
        at = self.place(at)
        return Problem(self._name, line_of(self._node, at), self._field(at), text)

    def place(self, at: At) -> At:
        """Return the place in the text of a place in the model."""
        if len(at) > 1 and at[0] == "batches" and isinstance(at[1], int):
            return (at[0], self.rows[at[1]], *at[2:])
        return at

    def names(self, field: str) -> set[str]:
        """Return the names of all batches, or the keys of a mapping, also of those that are not in the model."""
        entries = self._data.get(field)
        if isinstance(entries, list):
            return {str(each["name"]) for each in entries if isinstance(each, dict) and "name" in each}
        return set(map(str, entries)) if isinstance(entries, dict) else set()

    def line(self, at: At) -> int:
        """Return the line of a place in the model."""
        return self.problem(at, "").line

    def _field(self, at: At) -> str:
        parts, data = [], self._data
        for part in at:
            try:
                data = data[part]
            except (KeyError, IndexError, TypeError):
                data = None
            name = data.get("name") if isinstance(part, int) and isinstance(data, dict) else None
            parts.append(str(part if name is None or len(str(name)) > _LONGEST or is_address(str(name)) else name))
        return ".".join(parts)


def shape_of(text: PlanText, data: dict[str, Any]) -> tuple[PlanFile | None, list[Problem]]:
    """Return the plan without what is wrong in its shape, None if nothing is left to look at, and all that is wrong."""
    data = copy.deepcopy(data)
    found: dict[At, Problem] = {}
    incomplete: set[At] = set()
    """Parts of the text of which something was removed here: what they lack after that is no mistake of the plan."""
    for _ in range(_ROUNDS):
        try:
            return PlanFile.model_validate(data), list(found.values())
        except ValidationError as errors:
            mistakes = mistakes_of(errors, PlanFile, data, secret=SECRET)
        places = []
        for mistake in mistakes:
            kind = mistake.kind
            there = _existing(data, mistake.at)
            at = (*there, *mistake.at[len(there) :][:1]) if kind == "missing" else there
            if kind not in _OF_WHAT_IS_LACKING or text.place(at) not in incomplete:
                found.setdefault(text.place(at), text.problem(at, mistake.message))
            places.append(there)
        if () in places and not _filled(data):
            break
        for place in sorted({place for place in places if place}, key=_order, reverse=True):
            in_text = text.place(place)
            incomplete |= {in_text[:end] for end in range(1, len(in_text) + 1)}
            _remove(text, data, place)
    return None, list(found.values())


def _existing(data: Any, at: At) -> At:
    """Return the part of a place that is in the data: pydantic adds names of alternatives, and what is missing."""
    found: list[str | int] = []
    for part in at:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            break
        found.append(part)
    return tuple(found)


def _order(place: At) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in place)


def _filled(data: dict[str, Any]) -> bool:
    """Put something in the place of what a plan has to have, to look at the rest; return False if that is in vain."""
    if "name" not in data:
        data["name"] = "plan"
    elif "clusters" not in data:
        data["clusters"] = {"source": {"properties": "-"}, "target": {"properties": "-"}}
    else:
        return False
    return True


def _remove(text: PlanText, data: Any, place: At) -> None:
    parent = data
    for part in place[:-1]:
        try:
            parent = parent[part]
        except (KeyError, IndexError, TypeError):  # removed with another mistake
            return
    if place[0] == "batches" and place[-1] == "path" and len(place) == 3:
        parent["path"] = "restart"  # required, and the rest of the batch can be looked at without it
    elif place[-1] in (range(len(parent)) if isinstance(parent, list) else parent):
        del parent[place[-1]]
        if len(place) == 2 and place[0] == "batches" and isinstance(place[1], int):
            del text.rows[place[1]]
