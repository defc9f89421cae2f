from __future__ import annotations

from cutover_harness.conductor.timeline import WAY_BACK, Shown
from cutover_harness.judge.model import Cut, GroupMeasures, Judgement, LogMeasures, Mark, SecondSeries, Series
from cutover_harness.procedure.names import StepName
from cutover_harness.rehearsal.preconditions import aborted, awaited, groups_behind, mid_traffic
from cutover_harness.testbed.timing import TIMINGS

S = 10**9
CUT = Cut(110 * S, 112 * S, "producer", None, "source", "target")


def judgement(source: list[int], target: list[int]) -> Judgement:
    seconds = [SecondSeries("acks", None, "source", source), SecondSeries("acks", None, "target", target)]
    return Judgement(run=1, series=Series(start_ns=100 * S, seconds=seconds))


def test_a_cut_with_traffic_on_both_sides_is_mid_traffic() -> None:
    (precondition,) = mid_traffic(judgement([5] * 11 + [0] * 9, [0] * 12 + [5] * 8), [CUT], around_s=5)
    assert precondition.held
    assert "30 acks on source in the 5 s before, 40 on target after" in precondition.evidence


def test_traffic_that_ended_before_the_cut_proves_nothing() -> None:
    (precondition,) = mid_traffic(judgement([5] * 4 + [0] * 16, [0] * 12 + [5] * 8), [CUT], around_s=5)
    assert not precondition.held


def test_traffic_that_never_came_back_proves_nothing() -> None:
    (precondition,) = mid_traffic(judgement([5] * 11 + [0] * 9, [0] * 20), [CUT], around_s=5)
    assert not precondition.held


def test_cuts_of_a_way_back_prove_nothing_and_need_not() -> None:
    idle = judgement([0] * 20, [0] * 20)
    assert not mid_traffic(idle, [CUT], [Mark(109 * S, "phase", WAY_BACK)], around_s=5)
    assert len(mid_traffic(idle, [CUT], [Mark(111 * S, "phase", WAY_BACK)], around_s=5)) == 1


def test_clients_that_take_their_time_on_the_new_cluster_moved_in_mid_traffic() -> None:
    late = judgement([5] * 11 + [0] * 40, [0] * 30 + [5] * 21)  # the first acknowledgement 18 s after the move
    (precondition,) = mid_traffic(late, [CUT], around_s=5)
    assert precondition.held


def test_traffic_after_the_clients_have_left_again_proves_nothing() -> None:
    back = Cut(120 * S, 121 * S, "producer", None, "target", "source")
    found = mid_traffic(judgement([5] * 11 + [0] * 10 + [5] * 9, [0] * 25 + [5] * 5), [CUT, back], around_s=5)
    assert [precondition.held for precondition in found] == [False, False]


def test_the_window_before_a_move_follows_the_target() -> None:
    slow = judgement([5] * 3 + [0] * 17, [0] * 12 + [5] * 8)
    assert not mid_traffic(slow, [CUT], around_s=TIMINGS["stand-in"].around_s)[0].held
    assert mid_traffic(slow, [CUT], around_s=TIMINGS["AutoMQ"].around_s)[0].held


def test_a_group_had_something_to_read_until_its_producers_left() -> None:
    deliveries = [
        SecondSeries("deliveries", "g", "target", [5] * 11 + [0] * 29),
        SecondSeries("deliveries", "g", "source", [0] * 32 + [5] * 8),
    ]
    measured = Judgement(run=1, series=Series(start_ns=100 * S, seconds=deliveries))
    consumers = Cut(130 * S, 131 * S, "consumer", "g", "target", "source")
    producers = Cut(111 * S, 125 * S, "producer", None, "target", "source")
    assert not mid_traffic(measured, [consumers], around_s=5)[0].held
    found = mid_traffic(measured, [producers, consumers], around_s=5)[1]
    assert found.held
    assert "25 deliveries on target in the 5 s before producers left" in found.evidence
    elsewhere = Cut(111 * S, 125 * S, "producer", None, "source", "source")
    assert not mid_traffic(measured, [elsewhere, consumers], around_s=5)[1].held


def test_a_precondition_has_the_evidence_of_the_conductor_at_the_step() -> None:
    act = StepName.PRODUCERS_TO_TARGET
    (held,) = awaited([Shown(act, "lag", True, "lag 3 records")], {"lag": [act]})
    assert (held.name, held.held, held.evidence) == (f"mirror lagged at {act}", True, "lag 3 records")
    (never,) = awaited([Shown(act, "lag", False, "waited 60 s without proof: lag 0 records")], {"lag": [act]})
    assert not never.held
    (absent,) = awaited([Shown(act, "ahead", True, "")], {"lag": [act]})
    assert (absent.held, absent.evidence) == (False, "the step was not reached")
    assert not awaited([], {"behind": [act]})  # it follows from the ledgers


def test_a_group_has_to_be_a_second_behind_at_a_step() -> None:
    seconds = [
        SecondSeries("acks", None, "source", [10] * 20),
        SecondSeries("deliveries", "slow", "source", [5] * 20),
        SecondSeries("deliveries", "late", "source", [0, 10] + [10] * 18),  # what comes a moment later is no lag
    ]
    groups = [GroupMeasures(group, ["t"], []) for group in ("slow", "late")]
    measured = Judgement(run=1, groups=groups, series=Series(start_ns=100 * S, seconds=seconds))
    marks = [Mark(110 * S, "step", StepName.STOP_CONSUMERS)]
    slow, late = groups_behind(measured, marks, [StepName.STOP_CONSUMERS])
    assert slow.held
    assert slow.evidence == "90 records acknowledged a second before, 55 delivered"
    assert not late.held
    assert not any(precondition.held for precondition in groups_behind(measured, [], [StepName.STOP_CONSUMERS]))


def test_transactions_that_none_of_was_aborted_prove_nothing() -> None:
    logs = [LogMeasures("t", 0), LogMeasures("t", 1, aborted=3)]
    assert aborted(Judgement(run=1, logs=logs)).held
    assert not aborted(Judgement(run=1, logs=logs[:1])).held
