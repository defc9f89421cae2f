"""Journals of the abstract world: each content is a number, and contains only what steps and `resume` read again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cutover_harness.conductor.resume import (
    before,
    reached,
    remaining,
    steps_back,
    turned_back,
    were_on_target,
    without_effect,
)
from cutover_harness.explore.case import Case
from cutover_harness.explore.route import LOCATIONS, Locations
from cutover_harness.plan.path import PathStep
from cutover_harness.procedure.entries import Entry, Kind
from cutover_harness.procedure.mirror_turn import REVERSED
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import RouteState, role_of
from cutover_harness.procedure.steps import step_of
from cutover_harness.types import Role

_READ_AGAIN = frozenset({"doing", "done", "back", "cut", "topics", "gone", "found", "end", "ask"})
_ONCE = frozenset({"topics", "gone", "found", "done", "ask"})
"""Kinds of which a repeated entry changes nothing."""
_Row = tuple[str, int, str, str]


class Journals:
    """All journals that a search has seen."""

    def __init__(self) -> None:
        self._rows: list[tuple[_Row, ...]] = [()]
        self._number: dict[tuple[_Row, ...], int] = {(): 0}
        self._entries: list[Sequence[Entry]] = [()]
        self._tells: list[bool] = [False]

    def entries(self, number: int) -> Sequence[Entry]:
        """Return the entries of a journal."""
        return self._entries[number]

    def tells_apart(self, number: int) -> bool:
        """Whether a journal says of a partition what it does not say of the others, so that none can be exchanged."""
        return self._tells[number]

    def with_entry(self, number: int, kind: Kind, step: int, name: str, detail: dict[str, Any]) -> int:
        """Return the number of the journal with one entry more; the same one if nothing reads the entry again."""
        row = (kind, step, name, json.dumps(detail, default=str))
        rows = self._rows[number]
        if kind not in _READ_AGAIN or (kind in _ONCE and row in rows):
            return number
        if kind == "doing" and any(each[:2] == row[:2] for each in rows):
            return number
        rows = (*rows, row)
        found = self._number.get(rows)
        if found is None:
            found = self._number[rows] = len(self._rows)
            self._rows.append(rows)
            self._tells.append(self._tells[number] or _tells_apart(kind, detail))
            self._entries.append(
                [*self._entries[number], Entry(len(rows), len(rows), kind, step, name, json.loads(row[3]))]
            )
        return found


def _tells_apart(kind: Kind, detail: Mapping[str, Any]) -> bool:
    if kind == "cut":
        return len({end for *_, end in detail.get("offsets", ())}) > 1
    return kind == "gone" or (kind == "found" and any(map(detail.get, ("records", "offsets", "mirrored_before"))))


@dataclass(frozen=True)
class Stands:
    """What a journal says of the path. back: the steps of the way back, None if it was not decided."""

    state: RouteState
    back: Sequence[PathStep] | None
    left: Sequence[tuple[int, PathStep]]
    needs_mirror: bool
    """Whether a broken mirror closes gates, as `JournalledGates` has it."""
    were_on_target: bool
    reversed_once: bool
    requested: frozenset[Role]
    """Roles of which the clients that are restarted were requested to follow the last move."""


class Before(NamedTuple):
    """The state before a step, and whether the step was begun; resumes, returns: as in `StepContext`."""

    state: RouteState
    resumes: bool
    returns: bool
    begun: bool


@dataclass(frozen=True)
class JournalReader:
    """Reads journals as the product does."""

    case: Case
    journals: Journals

    def stands(self, journal: int) -> Stands:
        """Return what a journal says of the path."""
        entries = self.journals.entries(journal)
        back = None
        for entry in entries:
            if entry.kind == "back":
                back = [PathStep(step=StepName(name), dwell_s=0) for name in entry.detail["acts"]]
        state, turned = reached(entries), turned_back(entries)
        mirroring = state.has_task and not state.reverse and state.producers != "target"
        left = remaining(entries, self.case.path)
        reversed_once = any(entry.kind == "cut" and entry.name == REVERSED for entry in entries)
        return Stands(
            state, back, left, mirroring and not turned, were_on_target(entries), reversed_once, requested(entries)
        )

    def before(self, journal: int, number: int) -> Before:
        """Return what a journal says of a step."""
        entries = self.journals.entries(journal)
        others = [e for e in entries if e.step != number]
        begun = any(e.kind == "doing" and e.step == number for e in entries)
        return Before(before(entries, number), were_on_target(others), were_on_target(others, "producers"), begun)

    def way_back(self, journal: int, producers: int, consumers: int) -> tuple[list[StepName], list[int]] | None:
        """Return the steps of the way back, and the begun ones that have changed nothing; None if it was decided."""
        entries, locations = self.journals.entries(journal), Locations(LOCATIONS[producers], LOCATIONS[consumers])
        steps = steps_back(entries, locations)
        return None if steps is None else (steps, without_effect(entries, locations))


def requested(entries: Sequence[Entry]) -> frozenset[Role]:
    """Return the roles of which the last step that moves them has requested that clients are restarted."""
    last: dict[Role, int] = {}
    for entry in entries:
        if entry.kind == "doing" and (moves := step_of(entry.name).moves) is not None:
            last[role_of(moves)] = entry.step
    asked = {entry.step for entry in entries if entry.kind == "ask"}
    return frozenset(role for role, step in last.items() if step in asked)
