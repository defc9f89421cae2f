from __future__ import annotations

from cutover_harness.conductor.timeline import WAY_BACK
from cutover_harness.judge.model import Cut, GroupMeasures, Judgement, LogMeasures, Mark, SecondSeries, Series
from cutover_harness.plan.path import Act
from cutover_harness.rehearsal.guards import aborted, groups_behind, lag_at_cut, mid_traffic

S = 10**9
CUT = Cut(110 * S, 112 * S, "producer", None, "source", "target")


def judgement(source: list[int], target: list[int]) -> Judgement:
    seconds = [SecondSeries("acks", None, "source", source), SecondSeries("acks", None, "target", target)]
    return Judgement(run=1, series=Series(start_ns=100 * S, seconds=seconds))


def test_a_cut_with_traffic_on_both_sides_is_mid_traffic() -> None:
    (guard,) = mid_traffic(judgement([5] * 11 + [0] * 9, [0] * 12 + [5] * 8), [CUT])
    assert guard.held
    assert "30 acks on source in the 5 s before, 30 on target after" in guard.evidence


def test_traffic_that_ended_before_the_cut_proves_nothing() -> None:
    (guard,) = mid_traffic(judgement([5] * 4 + [0] * 16, [0] * 12 + [5] * 8), [CUT])
    assert not guard.held


def test_traffic_that_never_came_back_proves_nothing() -> None:
    (guard,) = mid_traffic(judgement([5] * 11 + [0] * 9, [0] * 20), [CUT])
    assert not guard.held


def test_cuts_of_a_way_back_prove_nothing_and_need_not() -> None:
    idle = judgement([0] * 20, [0] * 20)
    assert not mid_traffic(idle, [CUT], [Mark(109 * S, "phase", WAY_BACK)])
    assert len(mid_traffic(idle, [CUT], [Mark(111 * S, "phase", WAY_BACK)])) == 1


def test_lag_at_a_cut_has_to_be_above_zero() -> None:
    acts = [Act.PRODUCERS_TO_TARGET]
    assert lag_at_cut({Act.PRODUCERS_TO_TARGET: 3}, acts)[0].held
    assert not lag_at_cut({Act.PRODUCERS_TO_TARGET: 0}, acts)[0].held
    assert lag_at_cut({}, acts)[0].evidence == "the act was not reached"


def test_a_group_has_to_be_a_second_behind_at_an_act() -> None:
    seconds = [
        SecondSeries("acks", None, "source", [10] * 20),
        SecondSeries("deliveries", "slow", "source", [5] * 20),
        SecondSeries("deliveries", "late", "source", [0, 10] + [10] * 18),  # what comes a moment later is no lag
    ]
    groups = [GroupMeasures(group, ["t"], []) for group in ("slow", "late")]
    measured = Judgement(run=1, groups=groups, series=Series(start_ns=100 * S, seconds=seconds))
    marks = [Mark(110 * S, "act", Act.STOP_CONSUMERS)]
    slow, late = groups_behind(measured, marks, [Act.STOP_CONSUMERS])
    assert slow.held
    assert slow.evidence == "90 records acknowledged a second before, 55 delivered"
    assert not late.held
    assert not any(guard.held for guard in groups_behind(measured, [], [Act.STOP_CONSUMERS]))


def test_transactions_that_none_of_was_aborted_prove_nothing() -> None:
    logs = [LogMeasures("t", 0), LogMeasures("t", 1, aborted=3)]
    assert aborted(Judgement(run=1, logs=logs)).held
    assert not aborted(Judgement(run=1, logs=logs[:1])).held
