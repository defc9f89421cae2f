"""Paths: the states along one, and the way back from a state."""

from __future__ import annotations

from collections.abc import Iterable

from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import RouteState
from cutover_harness.procedure.steps import step_of


def states_after(path: Iterable[str], start: RouteState | None = None) -> list[RouteState]:
    """Return the state after each step. Raises ImpossibleStepError at the first that cannot be taken."""
    state = start or RouteState()
    states = []
    for name in path:
        state = step_of(name).after(state)
        states.append(state)
    return states


def way_back(state: RouteState) -> list[StepName]:
    """Return the steps that move everything back to the source and delete the mirror; empty if all is back.

    Producers go first: what they produce on the source from then on still reaches consumers on the target.
    """
    steps = []
    if state.producers == "target":
        steps.append(StepName.STOP_PRODUCERS)
    if state.producers != "source":
        steps.append(StepName.PRODUCERS_TO_SOURCE)
    if state.consumers == "target":
        steps.append(StepName.STOP_CONSUMERS)
    if state.consumers != "source" or state.overlap:
        steps.append(StepName.CONSUMERS_TO_SOURCE)
    if state.has_task:
        steps.append(StepName.DELETE_TASK)
    return steps
