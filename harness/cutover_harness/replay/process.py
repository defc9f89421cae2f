"""Common parts of a replay's processes: signals, the log of problems, the exit code."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable

from cutover_harness.errors import UsageError, refusal

_monkey = sys.modules.get("gevent.monkey")
native_sleep: Callable[[float], None] = _monkey.get_original("time", "sleep") if _monkey is not None else time.sleep
"""Sleep in an operating-system thread, even if gevent has patched `time` for another thread's greenlets."""


def patched() -> bool:
    """Return whether gevent has replaced threads and locks."""
    return _monkey is not None


def core_wait_ns() -> int | None:
    """Return how long (ns) this thread was runnable without a core; None if the system does not report it."""
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as file:  # noqa: PTH123 - no path object is needed
            return int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return None


class Stop:
    """Whether the process was asked to end."""

    def __init__(self) -> None:
        self.wanted = False

    def __call__(self, *_: object) -> None:
        """Ask it to end; also a signal handler."""
        self.wanted = True


def run_app(run: Callable[[Stop], None]) -> None:
    """Call `run` with a flag that SIGTERM sets; exit with 0, or with 2 after printing a UsageError.

    SIGINT is ignored: the terminal sends it to the whole group, and the tool then stops its children in order.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    stop = Stop()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)
    try:
        run(stop)
    except UsageError as why:
        print(why, file=sys.stderr)
        sys.exit(2)
    except OSError as why:
        if (text := refusal(why)) is None:
            raise
        print(text, file=sys.stderr)
        sys.exit(2)
