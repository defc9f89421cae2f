"""Ctrl-C of a load: the first one ends it in order, and one while it ends stops it and its workers immediately."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType
from typing import NoReturn

import psutil

from cutover_harness import exit_codes

_WORDS = b"\nkafka-cutover: interrupted while the load ended: its processes were stopped, and there is no result\n"


class Interruptions:
    """Takes this process's SIGINT. ending: the load ends already, so that an interruption has nothing to begin."""

    def __init__(self) -> None:
        self.ending = False
        self._before = False

    def install(self) -> None:
        """Take SIGINT, unless something else does, or it is ignored as after nohup."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._take)

    def silence(self) -> None:
        """Let gevent raise an interruption in the main greenlet without printing a traceback first."""
        from gevent.hub import Hub  # noqa: PLC0415 - after Locust, which patches the standard library first

        Hub.NOT_ERROR = (*Hub.NOT_ERROR, KeyboardInterrupt)

    def _take(self, _signal: int, _frame: FrameType | None) -> NoReturn:
        if self.ending or self._before:
            stop_now()
        self._before = True
        raise KeyboardInterrupt


def stop_now() -> NoReturn:
    """End this process and its children without any clean-up. Workers ignore SIGINT, so they are killed."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    os.write(2, _WORDS)  # not `print`, which may be interrupted in the middle of a line
    os._exit(exit_codes.INTERRUPTED)


INTERRUPTIONS = Interruptions()
"""Those of this process."""
