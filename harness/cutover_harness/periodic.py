"""Work that a thread repeats in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Periodic:
    """Calls `work` every `every_s` seconds in a thread of its own, from entering the context until leaving it.

    An exception that `work` raises ends the thread: it is in `failure`, and leaving the context or `stop` raises it.
    """

    def __init__(self, work: Callable[[], object], every_s: float, name: str) -> None:
        self._work = work
        self._every_s = every_s
        self._ending = threading.Event()
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()
        if value is None and self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """End the thread and wait for it; stopping twice is allowed. Raises what has ended the thread before."""
        self._end()
        if self.failure is not None:
            raise self.failure

    def stop_within(self, seconds: float) -> bool:
        """End the thread, and return whether it has ended within so many seconds."""
        self._ending.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _end(self) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._ending.wait(self._every_s):
                self._work()
        except Exception as why:  # noqa: BLE001 - raised again in the thread that ends this one
            self.failure = why
