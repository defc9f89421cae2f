"""Classify a path: a switchover or a rollback, and the stage from which it turned back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cutover_harness.procedure.path import states_after
from cutover_harness.procedure.state import ImpossibleStepError

#: The cost of a rollback at each stage according to the migration documentation.
DOCUMENTED_COST = {
    1: "none",
    2: "none",
    3: "consumption pauses and is delayed",
    4: "records consumed on the target are consumed again on the source",
    5: "production pauses",
    6: "records produced on the target are missing on the source, and the application must handle that",
    7: "no way back",
}


#: How stage 0 reads once the path has begun.
TAKEN_BACK = "taken back"


def rollback_stage(path: Sequence[str]) -> int | None:
    """Return the stage from which `path` turned back, None if it only goes forward or has a step that is not known.

    A path turns back if its stage goes down. It is at stage 0 again once the task is deleted with all on the source.
    """
    try:
        stages = [state.stage for state in states_after(path)]
    except (ValueError, ImpossibleStepError):
        return None
    return next((before for before, after in pairwise(stages) if after < before), None)
