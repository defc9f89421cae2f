"""Count in a client's thread, for statistics in another thread."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

PUSH_S = 0.5


@dataclass
class Count:
    """Requests of one name: a histogram of latencies (ms), sizes (bytes), and counts per second."""

    requests: int = 0
    failures: int = 0
    bytes: int = 0
    total_ms: float = 0.0
    least_ms: float = float("inf")
    most_ms: float = 0.0
    histogram: dict[int, int] = field(default_factory=dict)
    per_second: dict[int, int] = field(default_factory=dict)
    failed_per_second: dict[int, int] = field(default_factory=dict)


class Meter:
    """Collects counts in one thread, passes them on about twice per second; another thread calls `take`."""

    def __init__(self) -> None:
        self._counts: dict[str, Count] = {}
        self._ready: deque[dict[str, Count]] = deque()
        self._next = 0.0

    def add(self, name: str, ms: float, size: int, now: float) -> None:
        """Count a request that took `ms`; `now`: seconds since the epoch."""
        count = self._counts.get(name)
        if count is None:
            count = self._counts[name] = Count()
        count.requests += 1
        count.bytes += size
        count.total_ms += ms
        count.least_ms = min(count.least_ms, ms)
        count.most_ms = max(count.most_ms, ms)
        rounded = _bucket(ms)
        count.histogram[rounded] = count.histogram.get(rounded, 0) + 1
        second = int(now)
        count.per_second[second] = count.per_second.get(second, 0) + 1
        if now >= self._next:
            self.push(now)

    def fail(self, name: str, now: float) -> None:
        """Count a request that failed."""
        self.add(name, 0.0, 0, now)
        count = self._counts.setdefault(name, Count())
        count.failures += 1
        second = int(now)
        count.failed_per_second[second] = count.failed_per_second.get(second, 0) + 1

    def push(self, now: float | None = None) -> None:
        """Pass on the collected counts."""
        self._next = (time.time() if now is None else now) + PUSH_S
        if self._counts:
            self._ready.append(self._counts)
            self._counts = {}

    def take(self) -> list[dict[str, Count]]:
        """Return the counts passed on since the last call."""
        taken = []
        while self._ready:
            taken.append(self._ready.popleft())
        return taken


def _bucket(ms: float) -> int:
    """Round as Locust does, to two figures, so that histograms stay small."""
    if ms < 100:
        return round(ms)
    figures = -1 if ms < 1000 else -2 if ms < 10_000 else -3
    return int(round(ms, figures))
