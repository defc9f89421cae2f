"""Which steps of a path a person approves. Pure."""

from __future__ import annotations

from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import RouteState
from cutover_harness.procedure.step import Step

_COSTS_NOTHING = frozenset({StepName.SYNCHRONISE})


def needs_approval(step: Step, state: RouteState) -> bool:
    """Return whether a person has to approve `step` in this state of the route.

    Not if consumers or producers are on hold: a question would make the blackout longer, and who approved the hold
    approved what ends it.
    """
    return step.name not in _COSTS_NOTHING and "hold" not in (state.consumers, state.producers)
