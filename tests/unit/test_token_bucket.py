"""The limit on what the comparison of the logs reads per second."""

from __future__ import annotations

import pytest
from cutover_harness.token_bucket import TokenBucket
from hypothesis import given
from hypothesis import strategies as st


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.floats(1, 1e6), st.lists(st.tuples(st.integers(0, 5_000_000), st.floats(0, 5)), max_size=30))
def test_never_more_than_the_rate_beyond_one_second_and_one_read(rate: float, reads: list[tuple[int, float]]) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, clock)
    taken, last = 0, 0
    for amount, pause in reads:
        if bucket.ready:
            bucket.take(amount)
            taken, last = taken + amount, amount
            assert taken - last <= rate * (clock.now + 1) * (1 + 1e-6) + 1e-3
        clock.now += pause


def test_a_debt_is_waited_for() -> None:
    clock = Clock()
    bucket = TokenBucket(100.0, clock)
    bucket.take(350)
    assert not bucket.ready
    assert bucket.wait_s == pytest.approx(2.5)
    clock.now = 2.4
    assert bucket.wait_s == pytest.approx(0.1)
    clock.now = 2.5
    assert bucket.wait_s == 0.0
    clock.now = 1000.0
    bucket.take(101)
    assert bucket.wait_s == pytest.approx(0.01), "an idle time saves up no more than one second"


def test_without_a_rate_nothing_waits() -> None:
    bucket = TokenBucket(None)
    bucket.take(1 << 60)
    assert bucket.ready
