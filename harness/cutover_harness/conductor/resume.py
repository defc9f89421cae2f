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


def before(entries: Sequence[Entry], step: int) -> RouteState:
    """Return where the route stood before the act of `step`, whether or not that was begun."""
    return reached([entry for entry in entries if entry.step != step])


def waited(entries: Sequence[Entry], step: int, gate: str) -> tuple[float, float]:
    """Return for how long `gate` of `step` has been waited for, and for how long without progress.

    By all conductors together, since it was asked first. What counts is the time in which a conductor looked: not the
    time after one was killed, and no jump of the clock. A missed deadline ends the count, so whoever resumes then waits
    for the whole of it.
    """
    waited_s = idle_s = 0.0
    for entry in entries:
        if entry.kind == "waits" and (entry.step, entry.name) == (step, gate):
            waited_s = float(entry.detail["elapsed_s"])
            idle_s = float(entry.detail.get("idle_s", waited_s))
        elif entry.kind == "missed" or (entry.kind == "gate" and (entry.step, entry.name) == (step, gate)):
            waited_s = idle_s = 0.0
    return waited_s, idle_s


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
