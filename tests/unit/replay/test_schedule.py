"""When records are due."""

from __future__ import annotations

import numpy as np
from cutover_harness.capture.clock import Clock
from cutover_harness.replay.lateness import Lateness
from cutover_harness.replay.process import core_wait_ns
from cutover_harness.replay.schedule import Schedule
from hypothesis import given
from hypothesis import strategies as st

START = 1_800_000_000_000_000_000


def times(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def schedule_of(first: int, last: int, speed: float | None, *, records: int) -> Schedule:
    return Schedule(first, last, START, speed, records, Clock(first, last))


def test_due_times_follow_the_recorded_timing_and_the_factor() -> None:
    schedule = schedule_of(1000, 3000, 2.0, records=3)
    largest = schedule.clock.due_ms(times(1000, 2000, 1500, 3000), None)
    assert largest.tolist() == [1000, 2000, 2000, 3000]
    assert ((schedule.due_ns(largest, 0) - START) // 1_000_000).tolist() == [0, 500, 500, 1000]
    assert (schedule.stamps_ms(times(1000, 2000, 1500, 3000), 0) - START // 1_000_000).tolist() == [0, 500, 250, 1000]


def test_batches_continue_each_other() -> None:
    assert Clock(0, 100).due_ms(times(10, 60), 50).tolist() == [50, 60]


def test_loops_follow_each_other_at_the_mean_distance() -> None:
    schedule = schedule_of(1000, 3000, 1.0, records=3)
    assert schedule.loop_ms == 3000
    first = schedule.due_ns(times(1000), 1)[0]
    assert first - schedule.due_ns(times(3000), 0)[0] == 1_000_000_000
    assert schedule_of(5, 5, 1.0, records=1).loop_ms == 1


def test_max_speed_is_due_immediately_with_shifted_timestamps() -> None:
    schedule = schedule_of(1000, 3000, None, records=2)
    assert schedule.due_ns(times(1000, 3000), 5).tolist() == [0, 0]
    assert (schedule.stamps_ms(times(1000, 2000, 3000), 5) - START // 1_000_000).tolist() == [-2000, -1000, 0]


@given(st.lists(st.integers(0, 10**10), min_size=1), st.floats(0.1, 1e6), st.integers(0, 3))
def test_due_times_never_go_back(stamps: list[int], speed: float, loop: int) -> None:
    schedule = schedule_of(min(stamps), max(stamps), speed, records=len(stamps))
    largest = schedule.clock.due_ms(np.array(stamps, np.int64), None)
    due = schedule.due_ns(largest, loop)
    assert (np.diff(due) >= 0).all()
    assert due[0] >= START
    assert schedule.due_ns(times(schedule.first_ms), loop + 1)[0] >= due[-1]


def test_record_due_in_centuries_is_not_due_immediately() -> None:
    schedule = schedule_of(0, 4_000_000_000_000, 0.001, records=2)
    assert schedule.due_ns(times(4_000_000_000_000), 0)[0] > START


def test_lateness_percentiles() -> None:
    late = Lateness()
    assert late.percentile_ms(0.99) == 0
    for _ in range(49):
        late.add(np.array([-5, -5]))
    late.add(np.array([3_000_000, 60_000_000_000]))
    assert late.percentile_ms(0.5) == 0.1
    assert late.percentile_ms(0.99) == 3.1
    assert late.percentile_ms(1.0) == 10_000.0


def test_waiting_for_a_core_only_grows() -> None:
    before = core_wait_ns()
    after = core_wait_ns()
    assert (before is None) == (after is None)
    assert before is None or after is None or 0 <= before <= after
