"""Sampling the mirror lag over a whole run, beside the conductor."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from cutover_harness.judge.model import LagSample

log = logging.getLogger(__name__)
INTERVAL_S = 0.5


class TotalLike(Protocol):
    """A lag, of one mirror or of several."""

    @property
    def total(self) -> int:
        """Records."""
        ...


class LagSampler:
    """Reads the lag twice a second in a thread of its own until it is left.

    A read that fails (brokers and Connect are killed in rehearsals) leaves a hole in the series, never a made-up value.
    """

    def __init__(self, read: Callable[[], TotalLike], on_sample: Callable[[int], None]) -> None:
        self.samples: list[LagSample] = []
        self._read = read
        self._on_sample = on_sample
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag-sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            try:
                total = self._read().total
            except Exception as why:  # noqa: BLE001 - whatever breaks while things are broken on purpose
                log.info("mirror lag not readable: %s", why)
                continue
            self.samples.append(LagSample(time_ns=time.time_ns(), records=total, ms=None))
            self._on_sample(total)
