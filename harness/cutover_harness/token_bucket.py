"""A token bucket: limits the bytes per second that something reads."""

from __future__ import annotations

import time
from collections.abc import Callable


class TokenBucket:
    """Holds tokens for one second at `rate` bytes per second; None: no limit.

    A reader takes the bytes that it has read, which may leave a debt, and reads again when the bucket is `ready`.
    """

    def __init__(self, rate: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = rate or 0.0
        self._at = clock()

    def take(self, amount: int) -> None:
        """Take tokens for `amount` bytes."""
        if self._rate is not None:
            self._fill(self._rate)
            self._tokens -= amount

    @property
    def ready(self) -> bool:
        """Whether the next read may begin."""
        return self.wait_s == 0.0

    @property
    def wait_s(self) -> float:
        """Seconds until the next read may begin."""
        if self._rate is None:
            return 0.0
        self._fill(self._rate)
        return max(0.0, -self._tokens / self._rate)

    def _fill(self, rate: float) -> None:
        now = self._clock()
        self._tokens = min(rate, self._tokens + (now - self._at) * rate)
        self._at = now
