"""What a path is: a switchover or a rollback, and from which stage it turned back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cutover_harness.plan.path import Act, ImpossibleActError, walk

STAGES = {
    0: "not begun",
    1: "task created",
    2: "synchronising",
    3: "source consumers stopped",
    4: "consumers on target",
    5: "source producers stopped",
    6: "producers on target",
    7: "task deleted",
}

#: What turning back costs at each stage according to the migration documentation.
DOCUMENTED_COST = {
    1: "none",
    2: "none",
    3: "consumption pauses and is delayed",
    4: "what was consumed on the target is consumed again on the source",
    5: "production pauses",
    6: "what was produced on the target is not on the source, and the application must deal with it",
    7: "no way back",
}


#: How stage 0 reads once the path has begun.
TAKEN_BACK = "taken back"


def rollback_stage(path: Sequence[str]) -> int | None:
    """Return the stage from which `path` turned back, None where it only goes forward or has an act that is not known.

    A path turns back where its stage goes down. It is at stage 0 again once the task is deleted with all on the source.
    """
    try:
        stages = [state.stage for state in walk(Act(act) for act in path)]
    except (ValueError, ImpossibleActError):
        return None
    return next((before for before, after in pairwise(stages) if after < before), None)
