"""Wait for a condition with a timeout."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T],
    timeout_s: float,
    *,
    done: Callable[[T], bool] = bool,
    backoff_s: float = 0.05,
    failure: Callable[[T], Exception] | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """Call `condition` until its value is true, or satisfies `done`, and return that value.

    It is called at least once, and again `backoff_s` after each other value. After `timeout_s` the exception that
    `failure` makes of the last value is raised; without `failure` the last value is returned. An exception of
    `condition` ends the wait. `sleep`: how to wait, such as `gevent.sleep`.
    """
    deadline = time.monotonic() + timeout_s
    while not done(value := condition()):
        if time.monotonic() >= deadline:
            if failure is not None:
                raise failure(value)
            return value
        sleep(backoff_s)
    return value
