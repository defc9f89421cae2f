"""Callbacks that become due on a thread of the shim and run later, in the application's poll(), flush() or close()."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from cutover_shim.cutover_file import ClusterName


class DeferredCallback(NamedTuple):
    """A callback that became due on a thread that is not the application's, and the cluster it came from."""

    call: Callable[..., Any]
    args: tuple[Any, ...]
    cluster: ClusterName | None


class DeferredCallbacks:
    """The deferred callbacks of one producer, oldest first.

    `running` has, on a thread that is running one, the attributes `active` (True) and `cluster`.
    """

    def __init__(self) -> None:
        self._waiting: deque[DeferredCallback] = deque()
        self.running = threading.local()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, call: Callable[..., Any], args: tuple[Any, ...], cluster: ClusterName | None) -> None:
        """Queue a callback for the application's next poll(), flush() or close()."""
        self._waiting.append(DeferredCallback(call, args, cluster))

    def clear(self) -> None:
        """Drop what is queued."""
        self._waiting.clear()

    def run(self) -> int:
        """Run what is queued, on the calling thread, and return how many callbacks that were.

        Raises what a callback raises; the callbacks after it stay queued.
        """
        count, running = 0, self.running
        while self._waiting:
            try:
                deferred = self._waiting.popleft()
            except IndexError:  # another thread of the application was faster
                break
            count += 1
            running.cluster = deferred.cluster
            running.active = True
            try:
                deferred.call(*deferred.args)
            finally:
                running.active = False
        return count
