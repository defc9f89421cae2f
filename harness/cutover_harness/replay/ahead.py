"""Read ahead in a thread, so that a punctual consumer does not wait for the disk or for decompression."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from cutover_harness.replay.process import patched

T = TypeVar("T")


class Ahead(Generic[T]):
    """Iterates over `source`, up to `depth` items ahead. An error of the source is raised in place of its item.

    Leaving the context ends the thread. No thread if gevent is in the process: its locks do not work in threads.
    """

    def __init__(self, source: Iterator[T], depth: int = 4) -> None:
        self._source = source
        self._queue: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
        self._first: tuple[T | None, BaseException | None] | None = None
        self._ending = False
        self._thread = None if patched() else threading.Thread(target=self._read, name="replay-ahead", daemon=True)

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        while self._thread is not None and self._thread.is_alive():
            try:
                self._queue.get(timeout=0.01)
            except queue.Empty:
                continue

    def wait(self) -> None:
        """Wait for the first item."""
        if self._thread is not None and self._first is None:
            self._first = self._queue.get()

    def __iter__(self) -> Iterator[T]:
        if self._thread is None:
            yield from self._source
            return
        self.wait()
        item, self._first = self._first, None
        while item is not None:
            value, error = item
            if error is not None:
                raise error
            if value is None:
                return
            yield value
            item = self._queue.get()

    def _read(self) -> None:
        try:
            for each in self._source:
                self._queue.put((each, None))
                if self._ending:
                    return
        except BaseException as why:  # noqa: BLE001 - raised again where the item was to come
            self._queue.put((None, why))
        else:
            self._queue.put((None, None))
