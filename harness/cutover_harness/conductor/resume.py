"""State and remaining steps of a path, from its journal. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from cutover_harness.conductor.journal import Entry
from cutover_harness.plan.scenario import PathStep
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.path import way_back
from cutover_harness.procedure.protocols import LocationsLike
from cutover_harness.procedure.state import Moved, RouteState
from cutover_harness.procedure.steps import step_of


def reached(entries: Sequence[Entry]) -> RouteState:
    """Return where the route stands; a step that was begun counts as done, as some of it may have happened.

    Unless it was found, when the way back was decided, that nothing of it had.
    """
    state = RouteState()
    begun = _undone(entries)
    for entry in entries:
        if entry.kind == "doing" and entry.step not in begun:
            begun.add(entry.step)
            state = step_of(entry.name).after(state)
    return state


def were_on_target(entries: Sequence[Entry], who: Moved = "consumers") -> bool:
    """Whether consumers, or producers, were on the target last, not counting a hold."""
    undone = _undone(entries)
    for entry in reversed(entries):
        step = step_of(entry.name) if entry.kind == "doing" and entry.step not in undone else None
        if step is not None and step.moves == who and step.destination != "hold":
            return step.destination == "target"
    return False


def before(entries: Sequence[Entry], step: int) -> RouteState:
    """Return where the route stood before `step`, whether or not that was begun."""
    return reached([entry for entry in entries if entry.step != step])


def without_effect(entries: Sequence[Entry], locations: LocationsLike) -> list[int]:
    """Return the steps that were begun and, as the cutover file and the journal show, have changed nothing.

    `locations`: those of the route in the cutover file.
    """
    done = {entry.step for entry in entries if entry.kind == "done"}
    found = []
    for entry in entries:
        if entry.kind != "doing" or entry.step in done:
            continue
        step = step_of(entry.name)
        if step.moves is not None:
            location = locations.consumers if step.moves == "consumers" else locations.producers
            # New members of an overlap are ended by apps that stop, not by the cutover file.
            if location != step.destination or before(entries, entry.step).overlap:
                found.append(entry.step)
        elif step.name == StepName.REVERSE_MIRROR and not any(e.kind == "cut" and e.id > entry.id for e in entries):
            found.append(entry.step)
    return found


def steps_back(entries: Sequence[Entry], locations: LocationsLike) -> list[StepName] | None:
    """Return the steps that move everything back to the source, None if that has been decided already.

    `locations`: those of the route in the cutover file. A mirror whose deletion was begun may still be there, of either
    direction. It is deleted first, as for the way back it does not count.
    """
    if turned_back(entries):
        return None
    done = {entry.step for entry in entries if entry.kind == "done"}
    half = any(e.kind == "doing" and e.name == StepName.DELETE_TASK and e.step not in done for e in entries)
    undone = without_effect(entries, locations)
    return [StepName.DELETE_TASK] * half + way_back(reached([e for e in entries if e.step not in undone]))


def _undone(entries: Sequence[Entry]) -> set[int]:
    """Return the steps of which it was found, when the way back was decided, that they had changed nothing."""
    return {number for entry in entries if entry.kind == "back" for number in entry.detail.get("undone", ())}


def waited(entries: Sequence[Entry], step: int, gate: str) -> tuple[float, float]:
    """Return how many seconds `gate` of `step` has been waited for, and how many without progress.

    By all conductors together, since it was read first. Only the time in which a conductor looked counts: not the time
    after one was killed, and no jump of the clock. A missed deadline ends the count, so a conductor that resumes then
    waits for the whole deadline.
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


def remaining(entries: Sequence[Entry], steps: Sequence[PathStep]) -> list[tuple[int, PathStep]]:
    """Return the steps that are not done, with their numbers: of the path, or of the way back if it was decided."""
    done = {entry.step for entry in entries if entry.kind == "done"}
    plan = list(enumerate(steps))
    for entry in entries:
        if entry.kind == "back":
            back = [PathStep(step=StepName(name), dwell_s=0) for name in entry.detail["acts"]]
            plan = list(enumerate(back, start=len(steps)))
    return [(number, step) for number, step in plan if number not in done]
