"""Operating-system threads in a process that gevent has patched.

A lock that gevent made may wait for ever when such a thread and another meet at it. So what runs in the clients'
threads must come by none: Arrow asks `threading` which thread it is on, and so does each record of the log.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
import pyarrow as pa
from gevent.threadpool import ThreadPool

from cutover_harness.replay.records import warm_up

_RELAY_S = 0.5
_QUIET = ("cutover_harness.replay", "cutover_harness.capture", "cutover_shim")


class _Relay(logging.Handler):
    """Keeps log records for a greenlet to log; has no lock, as appending needs none."""

    def __init__(self) -> None:
        super().__init__()
        self.records: deque[logging.LogRecord] = deque(maxlen=1000)

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """Have none."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        self.records.append(record)


def prepare() -> None:
    """Prepare this process for `start`; call it once, from a greenlet."""
    pa.enable_signal_handlers(False)
    warm_up()
    logging.logThreads = False
    relay = _Relay()
    for name in _QUIET:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(relay)
    gevent.spawn(_log, relay.records)


def start(run: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function in its own thread; return gevent's AsyncResult of it."""
    return ThreadPool(1).spawn(run, *arguments)


def _log(records: deque[logging.LogRecord]) -> None:
    while True:
        gevent.sleep(_RELAY_S)
        while records:
            logging.getLogger().handle(records.popleft())
