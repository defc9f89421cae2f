"""Gates: a named condition with a deadline, and what one look at it shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import KafkaException

from cutover_harness.errors import UsageError


@dataclass(frozen=True)
class Reading:
    """One look at a gate: whether it is open, what it waits for if it is not, what proves it if it is.

    `never`: it will not open however long it is waited for, and `waits_for` says why. `left`: how much is missing, if
    that can be counted: the deadline begins again whenever it is less than ever before. `enough`: not
    proved, but a gate of `waits_only` is passed with it when its time is over.
    """

    open: bool
    waits_for: str = ""
    evidence: str = ""
    never: bool = False
    left: float | None = None
    enough: bool = False


@dataclass(frozen=True)
class Gate:
    """A named condition with a deadline in seconds: from the beginning, or from the last progress.

    `waits_only` gates are passed when their time is over if their reading is `enough`: the documented wait for consumer
    progress.
    """

    name: str
    read: Callable[[], Reading]
    deadline_s: float
    waits_only: bool = False


LEFT_EVERY_S = 5.0


def seldom(
    read: Callable[[], float], every_s: float = LEFT_EVERY_S, clock: Callable[[], float] = time.monotonic
) -> Callable[[], float | None]:
    """Return `read` for an expensive reading: None except every `every_s` seconds, the first time after that long.

    A failed reading counts as no progress.
    """
    due = clock() + every_s

    def now_and_then() -> float | None:
        nonlocal due
        if clock() < due:
            return None
        due = clock() + every_s
        try:
            return read()
        except (UsageError, KafkaException):
            return None

    return now_and_then
