"""A thread repeats its work while the context is entered, and not afterwards."""

from __future__ import annotations

import threading

import pytest
from cutover_harness.periodic import Periodic

from tests.waiting import wait_until


def test_work_is_repeated_until_the_context_is_left() -> None:
    done = threading.Semaphore(0)
    with Periodic(done.release, 0.001, "test") as periodic:
        for _ in range(3):
            assert done.acquire(timeout=30)
    periodic.stop()
    while done.acquire(blocking=False):
        pass
    assert not done.acquire(timeout=0.05)


def broken() -> None:
    raise OSError(28, "No space left on device")


def test_what_has_ended_the_thread_is_raised_when_it_is_ended() -> None:
    def end_late(periodic: Periodic) -> None:
        with periodic:
            wait_until(lambda: periodic.failure)

    periodic = Periodic(broken, 0.001, "broken")
    with pytest.raises(OSError, match="No space left"):
        end_late(periodic)
    with pytest.raises(OSError, match="No space left"):
        periodic.stop()


def test_the_error_of_the_context_goes_before_that_of_the_thread() -> None:
    def fail(periodic: Periodic) -> None:
        with periodic:
            wait_until(lambda: periodic.failure)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail(Periodic(broken, 0.001, "broken"))


def test_the_thread_ends_if_the_context_is_left_by_an_exception() -> None:
    def interrupted() -> None:
        with Periodic(lambda: None, 60, "interrupted"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "interrupted" not in [thread.name for thread in threading.enumerate()]
