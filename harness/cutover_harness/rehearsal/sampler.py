"""Samples of the mirror lag over a whole run, taken in parallel with the conductor."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from cutover_harness.judge.model import LagSample
from cutover_harness.periodic import Periodic

log = logging.getLogger(__name__)
INTERVAL_S = 0.5


class TotalLike(Protocol):
    """A lag, of one mirror or of several."""

    @property
    def total(self) -> int:
        """Records."""
        ...


class LagSampler(Periodic):
    """Reads the lag twice a second in a thread of its own until the context is left.

    A read that fails (brokers and Connect are killed in rehearsals) leaves a hole in the series, never a made-up value.
    """

    def __init__(self, read: Callable[[], TotalLike], on_sample: Callable[[int], None]) -> None:
        super().__init__(self._sample, INTERVAL_S, "lag-sampler")
        self.samples: list[LagSample] = []
        self._read = read
        self._on_sample = on_sample

    def _sample(self) -> None:
        try:
            total = self._read().total
        except Exception as why:  # noqa: BLE001 - brokers and Connect are broken on purpose
            log.info("mirror lag not readable: %s", why)
            return
        self.samples.append(LagSample(time_ns=time.time_ns(), records=total, ms=None))
        self._on_sample(total)
