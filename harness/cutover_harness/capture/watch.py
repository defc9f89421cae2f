"""Looking at the cluster now and then while it is recorded, in a thread of its own."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException

from cutover_harness.capture.changes import Change, Confirmed, Layout

log = logging.getLogger(__name__)
EVERY_S = 2.0
AGAIN_S = 0.5


class Watch:
    """Calls `look` every two seconds, and once more at the end (`last`), and hands over what changed since `known`."""

    def __init__(self, look: Callable[[], Layout], known: Layout) -> None:
        self._look = look
        self._confirmed = Confirmed(known)
        self._found: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="capture-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def changes(self) -> list[Change]:
        """Return what changed since the last call."""
        found = []
        while not self._found.empty():
            found.append(self._found.get())
        return found

    def last(self) -> list[Change]:
        """End, look once more and return what changed since the last call; raises KafkaException."""
        self._ending.set()
        self._thread.join()
        self._take(self._look())
        if self._confirmed.doubtful:
            time.sleep(AGAIN_S)
            self._take(self._look())
        return self.changes()

    def _watch(self) -> None:
        while not self._ending.wait(EVERY_S):
            try:
                self._take(self._look())
            except KafkaException as why:  # the next look, or the last one, finds the same
                log.info("the cluster did not say what topics it has: %s", why)

    def _take(self, now: Layout) -> None:
        for each in self._confirmed.look(now):
            self._found.put(each)
