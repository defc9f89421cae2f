"""What the app processes of a replay have in common: signals, the log of problems, the exit code."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable

from cutover_harness.errors import UsageError, refusal

_monkey = sys.modules.get("gevent.monkey")
native_sleep: Callable[[float], None] = _monkey.get_original("time", "sleep") if _monkey is not None else time.sleep
"""Sleeping in an operating-system thread, also where gevent has patched `time` for the greenlets of another one."""


def patched() -> bool:
    """Return whether gevent has put its own into the place of threads and locks."""
    return _monkey is not None


def core_wait_ns() -> int | None:
    """Return for how long (ns) this thread was ready to run and had no core; None where the system does not tell."""
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
        """Ask; also a signal handler."""
        self.wanted = True


def run_app(run: Callable[[Stop], None]) -> None:
    """Call `run`, telling it of SIGTERM; exits with 0, or with 2 after printing a UsageError.

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
