from __future__ import annotations

from itertools import product

import pytest
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.path import states_after, way_back
from cutover_harness.procedure.state import ImpossibleStepError, RouteState, Task
from cutover_harness.procedure.step import Step
from cutover_harness.procedure.steps import STEPS, step_of
from cutover_harness.types import Location

FORWARD = [
    StepName.CREATE_TASK,
    StepName.SYNCHRONISE,
    StepName.STOP_CONSUMERS,
    StepName.CONSUMERS_TO_TARGET,
    StepName.STOP_PRODUCERS,
    StepName.PRODUCERS_TO_TARGET,
    StepName.DELETE_TASK,
]


def test_the_documented_switchover_runs_through_stages_1_to_7() -> None:
    assert [state.stage for state in states_after(FORWARD)] == [1, 2, 3, 4, 5, 6, 7]


def test_rolling_back_consumers_from_stage_4_returns_to_stage_2() -> None:
    states = states_after([*FORWARD[:4], StepName.STOP_CONSUMERS, StepName.CONSUMERS_TO_SOURCE])
    assert [state.stage for state in states] == [1, 2, 3, 4, 3, 2]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ([StepName.CONSUMERS_TO_TARGET], "create-task"),
        ([StepName.SYNCHRONISE], "create-task"),
        ([StepName.CREATE_TASK, StepName.CREATE_TASK], "exists already"),
        ([StepName.CONSUMERS_TO_SOURCE], "on source already"),
        ([*FORWARD[:4], StepName.DELETE_TASK], "bring both to one"),
        ([*FORWARD, StepName.SYNCHRONISE], "create-task"),
    ],
)
def test_impossible_steps_say_why(path: list[StepName], why: str) -> None:
    with pytest.raises(ImpossibleStepError, match=why):
        states_after(path)


def test_every_name_has_one_step() -> None:
    assert sorted(step.name for step in STEPS) == sorted(StepName)
    assert all(step_of(name).name == name for name in StepName)
    with pytest.raises(ValueError, match="no step is called 'fly'"):
        step_of("fly")


def test_a_step_that_moves_clients_has_a_destination_and_no_other_has() -> None:
    assert all((step.moves is None) == (step.destination is None) for step in STEPS)
    assert {step.moves for step in STEPS} == {None, "consumers", "producers"}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_changes_only_the_location_of_the_clients_that_it_moves(step: Step) -> None:
    locations: tuple[Location, ...] = ("source", "hold", "target")
    tasks: tuple[Task, ...] = ("none", "created", "synchronised", "deleted")
    flags = (False, True)
    taken = 0
    for state in (RouteState(*each) for each in product(tasks, locations, locations, flags, flags, flags)):
        if step.refusal(state) is not None:
            with pytest.raises(ImpossibleStepError):
                step.after(state)
            continue
        taken += 1
        after = step.after(state)
        assert after.consumers == (step.destination if step.moves == "consumers" else state.consumers)
        assert after.producers == (step.destination if step.moves == "producers" else state.producers)
    assert taken


def test_a_task_that_is_deleted_after_a_rollback_leaves_stage_0() -> None:
    assert states_after([StepName.CREATE_TASK, StepName.DELETE_TASK])[-1].stage == 0


@pytest.mark.parametrize("length", range(1, len(FORWARD) + 1))
def test_there_is_a_way_back_from_every_stage_but_the_last(length: int) -> None:
    state = states_after(FORWARD[:length])[-1]
    back = way_back(state)
    if state.stage == 7:
        assert way_back(state)[:1] == [StepName.STOP_PRODUCERS]
    else:
        assert states_after(back, state)[-1] == RouteState(task="deleted")


def test_consumers_may_overlap_instead_of_pausing() -> None:
    overlap = [*FORWARD[:2], StepName.OVERLAP_CONSUMERS]
    assert [state.stage for state in states_after([*overlap, StepName.CONSUMERS_TO_TARGET])] == [1, 2, 3, 4]
    assert states_after([*overlap, StepName.CONSUMERS_TO_SOURCE])[-1].stage == 2
    assert way_back(states_after(overlap)[-1]) == [StepName.CONSUMERS_TO_SOURCE, StepName.DELETE_TASK]
    with pytest.raises(ImpossibleStepError, match="overlap"):
        states_after([*overlap, StepName.STOP_CONSUMERS])


def test_the_mirror_is_turned_around_only_while_producers_are_held() -> None:
    assert states_after([*FORWARD[:5], StepName.REVERSE_MIRROR])[-1].reverse
    with pytest.raises(ImpossibleStepError, match="producers on hold"):
        states_after([*FORWARD[:4], StepName.REVERSE_MIRROR])


def test_a_route_is_finished_only_when_both_sides_are_on_one_cluster() -> None:
    assert RouteState().finished
    assert RouteState(consumers="target", producers="target").finished
    assert not RouteState(consumers="target").finished
    assert not RouteState(consumers="hold", producers="hold").finished
