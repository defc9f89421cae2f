"""A client that can be replaced while other threads still wait for the answers to their calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

C = TypeVar("C")


class Renewable(Generic[C]):
    """Holds a client that `new` makes. Replaced ones are kept until no call is in progress.

    A client that nobody holds any more closes, and never completes the calls that are in progress.
    """

    def __init__(self, new: Callable[[], C]) -> None:
        self._new = new
        self._lock = threading.Lock()
        self._calls = 0
        self._replaced: list[C] = []
        self.client = new()

    def renew(self) -> None:
        """Replace the client by a new one."""
        client = self._new()
        with self._lock:
            self._replaced.append(self.client)
            self.client = client
            unused = self._unused()
        unused.clear()  # outside of the lock: a client takes a moment to close

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the present client, and all that replace it, until the context ends."""
        with self._lock:
            self._calls += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1
                unused = self._unused()
            unused.clear()

    def _unused(self) -> list[C]:
        if self._calls:
            return []
        unused, self._replaced = self._replaced, []
        return unused
