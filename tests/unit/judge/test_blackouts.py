"""Series, blackouts and recovery, from acks and deliveries whose times are known."""

from dataclasses import replace

import pytest
from cutover_harness.judge.activity import Activity
from cutover_harness.judge.model import Blackout, Cut, Judgement, LagSample, Mark

from .histories import CODES, MS, T0, History


def run(gap_ms: int, *, every_ms: int = 20, producers: int = 1, until_ms: int = 60_000) -> History:
    """Return a record every `every_ms`, read 5 ms later, with nothing from 20 s until `gap_ms` after that."""
    history = History()
    for n, at in enumerate(t for t in range(0, until_ms, every_ms) if not 20_000 <= t < 20_000 + gap_ms):
        cluster = "source" if at < 20_000 else "target"
        by = f"p{n % producers + 1}"
        history.at = at - 1
        history.acked("k", n, n, cluster, by=by)
        history.at = at + 4
        history.deliver("g-1", "k", n, n, cluster)
    return history


def cut(role: str = "producer", start_ms: int = 20_000, end_ms: int = 21_000) -> Cut:
    group = None if role == "producer" else "g"
    return Cut(T0 + start_ms * MS, T0 + end_ms * MS, role, group, "source", "target")  # type: ignore[arg-type]


def one(judgement: Judgement) -> Blackout:
    assert len(judgement.blackouts) == 1
    return judgement.blackouts[0]


def test_a_blackout_is_the_longest_time_without_an_ack() -> None:
    found = one(run(3000).judge(cuts=[cut()]))
    assert found.longest_ms == 3020
    assert found.gap_from_ns == T0 + 19_980 * MS
    assert found.gap_to_ns == T0 + 23_000 * MS
    assert found.normal_ms == 20
    assert (found.worst_instance, found.worst_instance_ms) == ("p1", 3020)
    assert found.recovery_ms == pytest.approx(2000, abs=200)  # 90% of a second's records reach into the gap by 10%


def test_a_cut_without_a_blackout() -> None:
    found = one(run(0).judge(cuts=[cut()]))
    assert found.longest_ms == 20
    assert found.recovery_ms == 0


def test_a_consumers_blackout_is_of_its_group() -> None:
    found = one(run(3000).judge(cuts=[cut("consumer")]))
    assert (found.longest_ms, found.gap_from_ns, found.worst_instance) == (3020, T0 + 19_985 * MS, None)


def test_one_process_may_be_worse_off_than_the_fleet() -> None:
    history = run(0, producers=2)
    events = [
        e for e in history.events if not (e.instance == "p2" and e.event == "ACKED" and 20_000 < e.time_ms < 24_000)
    ]
    found = one(History(events=events).judge(cuts=[cut()]))
    assert found.longest_ms == 40
    assert (found.worst_instance, found.worst_instance_ms) == ("p2", 4040)


def test_a_rate_that_never_returns_has_no_recovery() -> None:
    history = run(0, until_ms=20_000)
    history.at = 22_999
    history.acked("k", 5000, 5000, "target")
    found = one(history.judge(cuts=[cut()]))
    assert (found.longest_ms, found.recovery_ms) == (3020, None)


def test_nothing_to_measure() -> None:
    found = one(run(0).judge(cuts=[cut("consumer", 200_000, 201_000)]))
    assert (found.longest_ms, found.recovery_ms) == (None, None)


def test_series_count_each_second_by_cluster() -> None:
    judgement = run(3000).judge(lag=[LagSample(1, 4, 1.5), LagSample(2, 9)])
    series = judgement.series
    assert series.start_ns == T0
    assert {(s.kind, s.group, s.cluster) for s in series.seconds} == {
        (kind, group, cluster)
        for kind, group in (("acks", None), ("deliveries", "g"))
        for cluster in CODES
        if cluster != "unknown"
    }
    acks = series.total("acks")
    assert acks == [50] * 20 + [0] * 3 + [50] * 37
    assert sum(series.total("deliveries", "g")) == sum(acks)
    assert (judgement.worst_lag_records, judgement.worst_lag_ms) == (9, 1.5)


def test_a_long_run_is_counted_in_coarser_buckets() -> None:
    import numpy as np

    day = np.arange(0, 3 * 86_400, dtype=np.int64) * 1_000_000_000
    activity = Activity.of(T0 + day)
    assert activity is not None
    assert activity.width_ns == 10**10
    assert int(activity.count.sum()) == len(day)
    halves = [Activity.of(T0 + half) for half in (day[:50_000], day[50_000:])]
    assert halves[0] is not None
    assert halves[1] is not None
    merged = halves[1].merged(halves[0])
    assert merged.width_ns == activity.width_ns
    assert merged.count.tolist() == activity.count.tolist()
    assert merged.last.tolist() == activity.last.tolist()


def test_the_worst_lag_is_that_of_a_mirror_that_has_caught_up_and_still_mirrors() -> None:
    marks = [Mark(10, "stage", "stage 1", 1), Mark(20, "stage", "stage 2", 2), Mark(40, "stage", "stage 0", 0)]
    lag = [LagSample(15, 9000), LagSample(25, 7), LagSample(35, 3), LagSample(45, 8000)]
    assert run(3000).judge(lag=lag, marks=marks).worst_lag_records == 7
    assert run(3000).judge(lag=lag, marks=marks[:1]).worst_lag_records is None


def test_a_blackout_of_one_route_is_measured_on_its_topics_alone() -> None:
    history = run(3000)
    for n, at in enumerate(range(0, 60_000, 20)):  # another route, that goes on
        history.at = at - 1
        history.add("p1", "ACKED", "source", "other", n, n, topic="payments")
    routes = {"first": ["orders"], "second": ["payments"]}
    moved = [replace(cut(), route=name) for name in routes]
    first, second, fleet = history.judge(cuts=[*moved, cut()], routes=routes).blackouts
    assert (first.route, first.longest_ms, first.worst_instance_ms) == ("first", 3020, 3020)
    assert (second.route, second.longest_ms) == ("second", 20)
    assert fleet.longest_ms is not None
    assert fleet.longest_ms <= 20
    acks = {s.group: sum(s.values) for s in history.judge(routes=routes).series.seconds if s.kind == "route-acks"}
    assert acks["second"] == 3000
