"""Wait for what happens in other processes, and find what is left of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cutover_harness import waits

T = TypeVar("T")
_BACKOFF_S = 0.02


def eventually(condition: Callable[[], object], seconds: float) -> bool:
    """Return whether `condition` came true in time."""
    return bool(waits.wait_until(condition, seconds, backoff_s=_BACKOFF_S))


def wait_until(
    condition: Callable[[], T],
    seconds: float = 90,
    *,
    backoff_s: float = _BACKOFF_S,
    state: Callable[[], object] | None = None,
) -> T:
    """Return the first true value of `condition`; fail with its last value, and `state`, if none comes in time."""

    def failure(last: object) -> AssertionError:
        return AssertionError(f"not so within {seconds:g} s: last value {last!r}{f'; {state()}' if state else ''}")

    return waits.wait_until(condition, seconds, backoff_s=backoff_s, failure=failure)


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
