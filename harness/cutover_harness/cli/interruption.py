"""Ctrl-C and SIGTERM: print how the command cleans up, before it does."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

CLEANS_UP = {
    "rehearse": "stopping applications, brokers and Connect, then writing the report of what was done",
    "run": "stopping the conductor; clients keep their location",
    "resume": "stopping the conductor; clients keep their location",
    "rollback": "stopping the conductor; clients keep their location",
    "verify": "stopping the comparison, and saving its results for --resume",
}
"""What commands do when they are interrupted, if it takes time. `record` and `load` end in their own way."""


def _to_stderr(text: str) -> None:
    print(f"\n{text}", file=sys.stderr, flush=True)


class Interruption:
    """Announces the clean-up of the command that runs, once."""

    def __init__(self) -> None:
        self.command: str | None = None
        self.show: Callable[[str], None] = _to_stderr
        """Prints the line; a command with live lines prints it above them."""

    def begin(self, command: str | None) -> None:
        """Note the command that begins."""
        self.command, self.show = command, _to_stderr

    def install(self) -> None:
        """Announce before the interruption is raised. A SIGINT that is ignored, as after nohup, stays so."""
        signal.signal(signal.SIGTERM, self._raise)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._raise)

    def _raise(self, _signal: int, _frame: FrameType | None) -> NoReturn:
        doing = CLEANS_UP.get(self.command or "")
        self.command = None  # a second one ends the clean-up, and needs no words
        if doing is not None:
            self.show(f"kafka-cutover: interrupted: {doing}")
        raise KeyboardInterrupt


INTERRUPTION = Interruption()
"""That of this process."""
