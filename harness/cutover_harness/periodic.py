"""Work that a thread repeats in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Periodic:
    """Calls `work` every `every_s` seconds in a thread of its own, from entering the context until leaving it.

    An exception that `work` raises ends the thread.
    """

    def __init__(self, work: Callable[[], object], every_s: float, name: str) -> None:
        self._work = work
        self._every_s = every_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the thread and wait for it; stopping twice is allowed."""
        self._ending.set()
        self._thread.join()

    def stop_within(self, seconds: float) -> bool:
        """End the thread, and return whether it has ended within so many seconds."""
        self._ending.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._ending.wait(self._every_s):
            self._work()
