"""How long each kind of target takes for what a rehearsal waits for: the one place for such figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cutover_harness.testbed.base import TargetKind

SLOWEST_START_S = 120.0
"""What took longer was no start alone: a first one also fetches what it needs."""

SEVERAL_BACK_S = 20.0
"""If a broker of several is killed, its controller stays, and admits it again once its session (9 s) has expired; the
broker tries that in growing intervals."""


@dataclass(frozen=True)
class Timing:
    """The longest that was measured, in seconds, on machines with other work.

    `first_ack_s`: from a client's start to its first acknowledgement, or the end of its `init_transactions`. `back_s`:
    from a broker's SIGKILL until it serves again, if it is started immediately. `stop_s`: from SIGTERM until it has
    shut down.
    """

    first_ack_s: float
    back_s: float
    stop_s: float

    def of(self, brokers: int) -> Timing:
        """Return the figures for clusters of so many brokers."""
        return self if brokers == 1 else replace(self, back_s=max(self.back_s, SEVERAL_BACK_S))

    def on(self, start_s: float) -> Timing:
        """Return the figures for a machine on which brokers and Connect took `start_s` to start just now."""
        return replace(self, back_s=max(self.back_s, min(start_s, SLOWEST_START_S)))

    @property
    def around_s(self) -> float:
        """How long before a move traffic counts as being in the middle of it."""
        return 5.0 + self.first_ack_s

    @property
    def patience_s(self) -> float:
        """How long something may make no progress before it counts as stuck: two outages of the broker, and more."""
        return 50.0 + 2 * self.back_s

    @property
    def stop_grace_s(self) -> float:
        """How long a graceful shutdown of a broker may take before it is killed, in seconds."""
        return 3 * self.stop_s


TIMINGS: Mapping[TargetKind, Timing] = {
    "stand-in": Timing(first_ack_s=0.0, back_s=5.0, stop_s=10.0),
    # 1.7.3, S3 write-ahead log on loopback: first acknowledgement 6.1 s after a start, init_transactions on a fresh
    # cluster 10 s; 23 to 57 s without service after SIGKILL; 4 to 17 s from SIGTERM until the broker was down, while
    # its process stayed until it was killed.
    "AutoMQ": Timing(first_ack_s=10.0, back_s=57.0, stop_s=17.0),
}
