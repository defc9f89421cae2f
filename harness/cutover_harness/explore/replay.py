"""A journal of a real run, replayed in the abstract world, to see whether some order of events produces it.

What a journal has of the conductor (gates that were passed or missed, steps begun and done, the way back, the end) has
to be what the abstract conductor does in some run; clients, mirror, faults and kills may do anything in between. A
journal that the world forbids shows a defect of the product or of the world.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.journalled_gates import APPROVE
from cutover_harness.errors import UsageError
from cutover_harness.explore.case import FAULTS, Bounds, Case, Fleet
from cutover_harness.explore.conductor import APPS, Move
from cutover_harness.explore.search import Search
from cutover_harness.explore.world import World
from cutover_harness.procedure.entries import Entry
from cutover_harness.types import Role

Event = tuple[str, str]
"""What a journal shows: its kind, and the name of the gate or step."""
SMALL = Bounds(partitions=1, records=1, faults=0, kinds=())
_FLEETS: dict[frozenset[Role], Fleet] = {
    frozenset(): "shim",
    frozenset({"producer"}): "restarted-producer",
    frozenset({"consumer"}): "restarted-group",
    frozenset({"producer", "consumer"}): "restarted",
}
_GATE = re.compile(r"gate '(.*?)' (?:opens|is passed)")
_MISSED = re.compile(r"gate '(.*?)' (?:misses its deadline|refuses)")
_ENTRIES = ("doing", "done", "back", "end")


@dataclass(frozen=True)
class Replayed:
    """Whether a journal is one that the world allows. at: the first event that it forbids, counted from 0."""

    events: Sequence[Event]
    at: int | None
    states: int

    @property
    def allowed(self) -> bool:
        """Whether the world allows it."""
        return self.at is None

    def __str__(self) -> str:
        if self.at is None:
            return f"{len(self.events)} events, which the world allows ({self.states:,} states)"
        kind, name = self.events[self.at]
        return f"event {self.at + 1} of {len(self.events)} is not possible in the world: {kind} {name}"


def events_of(entries: Iterable[Entry]) -> list[Event]:
    """Return what a journal shows of the conductor, without what was before the first step."""
    found: list[Event] = []
    for entry in entries:
        if entry.kind == "gate" and entry.step >= 0:
            found.append(("gate", entry.name))
        elif entry.kind == "missed" and not entry.name.startswith(APPROVE):  # a person declined: the conductor ends
            found.append(("missed", entry.name))
        elif entry.kind in _ENTRIES and (entry.step >= 0 or entry.kind == "back"):
            found.append((entry.kind, entry.name))
    return found


def case_of(folder: Path) -> tuple[Case, Sequence[Entry]]:
    """Return path and fleet of the run in a folder, and its journal. Raises UsageError."""
    config = ConductorConfig.load(folder / CONFIG)
    if config.connectors:
        raise UsageError(f"{folder}: moves connectors, which are not in the abstract world")
    roles = {each.role for each in config.restarts}
    fleet: Fleet = "restart" if config.members is not None else _FLEETS[frozenset(roles)]
    entries = inspect(config.journal, config.steps, config.groups)
    return Case(folder.name, config.steps, fleet, planned=config.plan is not None), entries


def replay(case: Case, entries: Sequence[Entry]) -> Replayed:
    """Replay the journal of a run of this path."""
    return replay_events(case, events_of(entries))


def replay_events(case: Case, events: Sequence[Event]) -> Replayed:
    """Replay what a journal shows: without faults first, then with one."""
    # With one partition all clients of a role are alike; with two, one producer may be restarted and one on the shim.
    wider = (SMALL, replace(SMALL, partitions=2), replace(SMALL, faults=1, kinds=tuple(FAULTS)))
    found = []
    for bounds in wider:
        found.append(_replay(replace(case, bounds=bounds), events))
        if found[-1].allowed:
            return found[-1]
    return max(found, key=lambda each: each.at or 0)


def _replay(case: Case, events: Sequence[Event]) -> Replayed:
    search = Search(case)
    first = (search.key(search.first()), 0)
    seen, queue, furthest = {first}, [first], 0
    while queue:
        key, at = queue.pop()
        furthest = max(furthest, at)
        if at == len(events):
            return Replayed(events, None, len(seen))
        world = search.world(key)
        for move in list(search.after(world)):  # all of them, before the conductors look at another world
            shown = _events_of_move(search, world, move)
            if move.kind == "crash" and (gate := search.conductors.waits_for(world, 0)) is not None:
                # Reading it may have taken longer than its deadline, as a comparison of all records may.
                late = [("missed", gate.gate)]
                shown = late if events[at : at + 1] == late else shown
            if events[at : at + len(shown)] != shown:
                continue
            following = (search.key(move.world), at + len(shown))
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return Replayed(events, furthest, len(seen))


def _events_of_move(search: Search, before: World, move: Move) -> list[Event]:
    """Return what a move writes to a real journal."""
    found: list[Event] = [("gate", name) for name in _GATE.findall(move.words) if name != APPS]
    found += [("missed", name) for name in _MISSED.findall(move.words)]
    journals = search.conductors.journals
    had = len(journals.entries(before.journal))
    for entry in journals.entries(move.world.journal)[had:]:
        if entry.kind in _ENTRIES:
            found.append((entry.kind, entry.name))
    return found
