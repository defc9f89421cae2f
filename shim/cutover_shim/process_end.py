"""The end of a process that runs no `atexit` functions although it ends in order: a child of multiprocessing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

_LATE = -100  # after finalizers of the application, which may still close its clients
_arranged: set[int] = set()


def at_end_of_child(last: Callable[[], None]) -> None:
    """Call `last` when this process ends, if it is a child that multiprocessing has started; only once a process."""
    process, util = (sys.modules.get(f"multiprocessing.{name}") for name in ("process", "util"))
    if process is None or util is None or process.parent_process() is None or os.getpid() in _arranged:
        return
    _arranged.add(os.getpid())
    util.Finalize(None, last, exitpriority=_LATE)
