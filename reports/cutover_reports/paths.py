"""What a path is: a switchover or a rollback, and from which stage it turned back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cutover_harness.plan.path import Act, ImpossibleActError, RouteState, walk

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


def states(path: Sequence[str]) -> list[RouteState]:
    """Return the state of the route after each act; an empty list where an act of the path is not known."""
    try:
        return walk(Act(act) for act in path)
    except (ValueError, ImpossibleActError):
        return []


def rollback_stage(path: Sequence[str]) -> int | None:
    """Return the stage from which `path` turned back, None where it only goes forward.

    A path turns back where its stage goes down, or where the task is deleted while every client is on the source.
    """
    walked = states(path)
    stages = [state.stage for state in walked]
    for before, after in pairwise(stages):
        if after < before:
            return before
    if len(walked) > 1 and walked[-1].task == "deleted" and walked[-1].producers == walked[-1].consumers == "source":
        return stages[-2]
    return None


def stage_title(stage: int, act: str, *, back_on_source: bool) -> str:
    """Return a stage in words, as the time line shows it."""
    if stage == 7 and back_on_source:
        return "task deleted, all on source"
    return STAGES.get(stage, act or "?")
