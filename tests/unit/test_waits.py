"""Waiting for a condition: its value, its timeout, and the error of one that never comes true."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from cutover_harness.waits import wait_until

from tests import waiting


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    found = Clock()
    monkeypatch.setattr("time.monotonic", found.monotonic)
    yield found
    monkeypatch.undo()


def values(*given: object) -> Callable[[], object]:
    left = iter(given)
    return lambda: next(left)


def test_value_that_is_true_is_returned_without_waiting(clock: Clock) -> None:
    assert wait_until(values("ready"), 0, sleep=clock.sleep) == "ready"
    assert clock.slept == []


def test_condition_is_called_after_each_backoff(clock: Clock) -> None:
    assert wait_until(values(None, 0, [], 3), 10, backoff_s=2, sleep=clock.sleep) == 3
    assert clock.slept == [2, 2, 2]


def test_last_value_is_returned_at_the_timeout(clock: Clock) -> None:
    assert wait_until(values(None, 0, (), ""), 2, backoff_s=1, sleep=clock.sleep) == ()


def test_the_wait_ends_at_the_first_value_that_is_done(clock: Clock) -> None:
    last = wait_until(values(["a", "b"], ["a"], []), 10, done=lambda left: left == [], backoff_s=1, sleep=clock.sleep)
    assert last == []
    assert clock.slept == [1, 1]


def test_condition_is_called_once_if_the_timeout_is_0(clock: Clock) -> None:
    assert wait_until(values(None, True), 0, sleep=clock.sleep) is None


def test_failure_is_made_of_the_last_value(clock: Clock) -> None:
    with pytest.raises(LookupError, match="the last one was 0"):
        wait_until(
            values(None, 0, 1),
            1,
            backoff_s=1,
            failure=lambda last: LookupError(f"the last one was {last}"),
            sleep=clock.sleep,
        )


def test_an_exception_of_the_condition_ends_the_wait(clock: Clock) -> None:
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 / 0, 10, sleep=clock.sleep)


def test_wait_of_a_test_fails_with_the_last_state() -> None:
    state = iter(range(100))
    with pytest.raises(AssertionError, match=r"not so within 0 s: last value None; 0 of 2 clients"):
        waiting.wait_until(lambda: None, 0, state=lambda: f"{next(state)} of 2 clients")
    with pytest.raises(AssertionError, match=r"last value \[\]$"):
        waiting.wait_until(list, 0)
    assert waiting.wait_until(lambda: "x", 0) == "x"
    assert waiting.eventually(lambda: "x", 0) is True
    assert waiting.eventually(list, 0) is False
