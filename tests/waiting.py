"""Waiting for what happens in other processes, and looking for what is left of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def eventually(condition: Callable[[], object], seconds: float) -> bool:
    """Return whether `condition` came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wait_until(condition: Callable[[], object], seconds: float = 90) -> None:
    """Wait for `condition`; a failure where it does not come true in time."""
    assert eventually(condition, seconds), "still not so"


def running_below(folder: Path) -> list[str]:
    """Return the command lines of live processes that name something below `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and process.name != str(os.getpid()):
            found.append(line[:200])
    return found
