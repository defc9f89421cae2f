"""Classify a path: a switchover or a rollback, the stage from which it turned back, and the path that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain, pairwise
from typing import get_args

from cutover_harness.plan.load import find
from cutover_harness.planning.model import PathName
from cutover_harness.procedure.names import StepName
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
#: Steps that make a path better, but lead to the same places: a rollback concerns a path with or without them.
OPTIONAL = frozenset({StepName.SET_EXACT_OFFSETS, StepName.REVERSE_MIRROR})


#: The path of the catalogue that differs from another one in its apps alone: they are restarted.
RESTART = "restart"


def rollback_stage(path: Sequence[str]) -> int | None:
    """Return the stage from which `path` turned back, None if it only goes forward or has a step that is not known.

    A path turns back if its stage goes down. It is at stage 0 again once the task is deleted with all on the source.
    """
    turn = _turn(path)
    return None if turn is None else turn[1]


def arrives(path: Sequence[str]) -> bool:
    """Whether `path` ends with consumers and producers on the target; False if it has a step that is not known."""
    try:
        states = states_after(path)
    except (ValueError, ImpossibleStepError):
        return False
    return bool(states) and states[-1].consumers == states[-1].producers == "target"


def deciding(path: Sequence[str], paths: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the path that shows what came of a run of several batches, or `path` itself without `paths`.

    paths: by batch. That is the first one that turned back, otherwise the first one that did not end on the target,
    otherwise `path`.
    """
    back = (each for each in paths.values() if rollback_stage(each) is not None)
    elsewhere = (each for each in paths.values() if not arrives(each))
    return list(next(chain(back, elsewhere), path))


def _turn(path: Sequence[str]) -> tuple[int, int] | None:
    """Return the number of steps before the first one back, and the stage there; None as `rollback_stage`."""
    try:
        stages = [state.stage for state in states_after(path)]
    except (ValueError, ImpossibleStepError):
        return None
    turns = ((number, before) for number, (before, after) in enumerate(pairwise(stages), 1) if after < before)
    return next(turns, None)


@cache
def known_paths() -> Mapping[str, tuple[str, ...]]:
    """Return the steps of the paths of the catalogue that end on the target, by name."""
    return {name: tuple(str(step.step) for step in find(name).path) for name in get_args(PathName)}


def path_of(name: str, steps: Sequence[str], plain: Mapping[str, Sequence[str]]) -> str:
    """Return the path that a switchover belongs to: by its steps, and by its name if several paths have these steps.

    A path of the catalogue comes before scenarios that vary it, such as one with transactions.
    plain: steps of the route's switchovers without a fault, by name.
    """
    known = [path for path, its in known_paths().items() if its == tuple(steps)]
    others = [path for path, its in plain.items() if tuple(its) == tuple(steps)]
    candidates = [
        *(path for path in known if name.startswith(path)),
        *(path for path in known if path in plain and path != RESTART),
        *(path for path in known if path != RESTART),
        *sorted((path for path in others if name.startswith(path)), key=len, reverse=True),
        *others,
    ]
    return next(iter(candidates), name)


def concerns(rollback: Sequence[str], path: Sequence[str]) -> bool:
    """Whether a rollback can follow a path: its steps up to the turn are the first steps of the path."""
    turn = _turn(rollback)
    there = rollback if turn is None else rollback[: turn[0]]
    forward = [step for step in there if step not in OPTIONAL]
    return forward == [step for step in path if step not in OPTIONAL][: len(forward)]
