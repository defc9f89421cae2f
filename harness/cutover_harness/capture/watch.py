"""Check the cluster regularly during a recording, in a separate thread."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable

from confluent_kafka import KafkaException

from cutover_harness.capture.changes import Change, Confirmed, Layout
from cutover_harness.periodic import Periodic

log = logging.getLogger(__name__)
EVERY_S = 2.0
AGAIN_S = 0.5


class Watch(Periodic):
    """Calls `look` every two seconds and at the end (`last`), and passes on what changed since `known`."""

    def __init__(self, look: Callable[[], Layout], known: Layout) -> None:
        super().__init__(self._watch, EVERY_S, "capture-watch")
        self._look = look
        self._confirmed = Confirmed(known)
        self._found: queue.SimpleQueue[Change] = queue.SimpleQueue()

    def changes(self) -> list[Change]:
        """Return what changed since the last call."""
        found = []
        while not self._found.empty():
            found.append(self._found.get())
        return found

    def last(self) -> list[Change]:
        """End, check again and return what changed since the last call. Raises KafkaException."""
        self.stop()
        self._take(self._look())
        if self._confirmed.doubtful:
            time.sleep(AGAIN_S)
            self._take(self._look())
        return self.changes()

    def _watch(self) -> None:
        try:
            self._take(self._look())
        except KafkaException as why:  # the next or the last check finds the same
            log.info("the cluster did not return its topics: %s", why)

    def _take(self, now: Layout) -> None:
        for each in self._confirmed.look(now):
            self._found.put(each)
