from __future__ import annotations

import pytest
from cutover_harness.plan.path import Act, ImpossibleActError, RouteState, destination, moves, walk, way_back

FORWARD = [
    Act.CREATE_TASK,
    Act.SYNCHRONISE,
    Act.STOP_CONSUMERS,
    Act.CONSUMERS_TO_TARGET,
    Act.STOP_PRODUCERS,
    Act.PRODUCERS_TO_TARGET,
    Act.DELETE_TASK,
]


def test_the_documented_switchover_walks_stages_1_to_7() -> None:
    assert [state.stage for state in walk(FORWARD)] == [1, 2, 3, 4, 5, 6, 7]


def test_rolling_back_consumers_from_stage_4_returns_to_stage_2() -> None:
    states = walk([*FORWARD[:4], Act.STOP_CONSUMERS, Act.CONSUMERS_TO_SOURCE])
    assert [state.stage for state in states] == [1, 2, 3, 4, 3, 2]


@pytest.mark.parametrize(
    ("acts", "why"),
    [
        ([Act.CONSUMERS_TO_TARGET], "create-task"),
        ([Act.SYNCHRONISE], "create-task"),
        ([Act.CREATE_TASK, Act.CREATE_TASK], "exists already"),
        ([Act.CONSUMERS_TO_SOURCE], "on source already"),
        ([*FORWARD[:4], Act.DELETE_TASK], "bring both to one"),
        ([*FORWARD, Act.SYNCHRONISE], "create-task"),
    ],
)
def test_impossible_acts_say_why(acts: list[Act], why: str) -> None:
    with pytest.raises(ImpossibleActError, match=why):
        walk(acts)


def test_every_act_that_moves_clients_has_a_destination() -> None:
    for act in Act:
        if moves(act):
            assert destination(act) in ("source", "hold", "target")
        else:
            with pytest.raises(KeyError):
                destination(act)


def test_a_task_that_is_deleted_after_a_rollback_leaves_stage_0() -> None:
    assert walk([Act.CREATE_TASK, Act.DELETE_TASK])[-1].stage == 0


@pytest.mark.parametrize("length", range(1, len(FORWARD) + 1))
def test_there_is_a_way_back_from_every_stage_but_the_last(length: int) -> None:
    state = walk(FORWARD[:length])[-1]
    back = way_back(state)
    if state.stage == 7:
        assert way_back(state)[:1] == [Act.STOP_PRODUCERS]
    else:
        assert walk(back, state)[-1] == RouteState(task="deleted")


def test_consumers_may_overlap_instead_of_pausing() -> None:
    overlap = [*FORWARD[:2], Act.OVERLAP_CONSUMERS]
    assert [state.stage for state in walk([*overlap, Act.CONSUMERS_TO_TARGET])] == [1, 2, 3, 4]
    assert walk([*overlap, Act.CONSUMERS_TO_SOURCE])[-1].stage == 2
    assert way_back(walk(overlap)[-1]) == [Act.CONSUMERS_TO_SOURCE, Act.DELETE_TASK]
    with pytest.raises(ImpossibleActError, match="overlap"):
        walk([*overlap, Act.STOP_CONSUMERS])


def test_the_mirror_is_turned_around_only_while_producers_are_held() -> None:
    assert walk([*FORWARD[:5], Act.REVERSE_MIRROR])[-1].reverse
    with pytest.raises(ImpossibleActError, match="producers on hold"):
        walk([*FORWARD[:4], Act.REVERSE_MIRROR])


def test_a_route_is_finished_only_when_both_sides_are_on_one_cluster() -> None:
    assert RouteState().finished
    assert RouteState(consumers="target", producers="target").finished
    assert not RouteState(consumers="target").finished
    assert not RouteState(consumers="hold", producers="hold").finished
