"""A thread repeats its work while the context is entered, and not afterwards."""

from __future__ import annotations

import threading

import pytest
from cutover_harness.periodic import Periodic


def test_work_is_repeated_until_the_context_is_left() -> None:
    done = threading.Semaphore(0)
    with Periodic(done.release, 0.001, "test") as periodic:
        for _ in range(3):
            assert done.acquire(timeout=30)
    periodic.stop()
    while done.acquire(blocking=False):
        pass
    assert not done.acquire(timeout=0.05)


def test_the_thread_ends_if_the_context_is_left_by_an_exception() -> None:
    def interrupted() -> None:
        with Periodic(lambda: None, 60, "interrupted"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "interrupted" not in [thread.name for thread in threading.enumerate()]
