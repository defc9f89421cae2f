"""What a journal says about where the path stands and what is left of it. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from cutover_harness.conductor.journal import Entry
from cutover_harness.plan.path import Act, RouteState
from cutover_harness.plan.scenario import Step


def reached(entries: Sequence[Entry]) -> RouteState:
    """Return where the route stands, an act that was begun counted as done: some of it may have happened."""
    state = RouteState()
    begun: set[int] = set()
    for entry in entries:
        if entry.kind == "doing" and entry.step not in begun:
            begun.add(entry.step)
            state = state.after(Act(entry.name))
    return state


def were_on_target(entries: Sequence[Entry]) -> bool:
    """Return whether consumers were on the target last, not counting a hold: their offsets there are their own."""
    for entry in reversed(entries):
        if entry.kind == "doing" and entry.name in (Act.CONSUMERS_TO_TARGET, Act.CONSUMERS_TO_SOURCE):
            return entry.name == Act.CONSUMERS_TO_TARGET
    return False


def turned_back(entries: Sequence[Entry]) -> bool:
    """Whether the way back was decided."""
    return any(entry.kind == "back" for entry in entries)


def remaining(entries: Sequence[Entry], steps: Sequence[Step]) -> list[tuple[int, Step]]:
    """Return the steps that are not done, with their numbers: of the path, or of the way back once it was decided."""
    done = {entry.step for entry in entries if entry.kind == "done"}
    plan = list(enumerate(steps))
    for entry in entries:
        if entry.kind == "back":
            acts = [Step(act=Act(act), dwell_s=0) for act in entry.detail["acts"]]
            plan = list(enumerate(acts, start=len(steps)))
    return [(number, step) for number, step in plan if number not in done]
