"""Gates: what has to be true before the path goes on, with a deadline, and evidence once it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

POLL_S = 0.05


@dataclass(frozen=True)
class Reading:
    """One look at a gate: whether it is open, what it waits for where not, what proves it where it is.

    `never`: it will not open however long it is waited for, and `waits_for` says why.
    """

    open: bool
    waits_for: str = ""
    evidence: str = ""
    never: bool = False


@dataclass(frozen=True)
class Gate:
    """A named condition with a deadline in seconds.

    `waits_only` gates are open when their time is over, proved or not: the documented wait for consumer progress.
    """

    name: str
    read: Callable[[], Reading]
    deadline_s: float
    waits_only: bool = False


class GateMissedError(Exception):
    """A gate that was not open at its deadline; the message says what it waited for."""

    def __init__(self, gate: str, why: str) -> None:
        super().__init__(why)
        self.gate = gate


@dataclass(frozen=True)
class Passed:
    """A gate that was passed; `from_ns` is when the wait began."""

    name: str
    evidence: str
    from_ns: int


def wait(
    gate: Gate,
    tell: Callable[[str, float], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Passed:
    """Wait until `gate` is open; `tell` hears what it waits for and for how long already.

    Raises GateMissedError at the gate's deadline, or where it will never open.
    """
    from_ns = time.time_ns()
    begin = clock()
    while True:
        reading = gate.read()
        elapsed = clock() - begin
        if reading.open:
            return Passed(gate.name, reading.evidence, from_ns)
        if reading.never:
            raise GateMissedError(gate.name, f"gate {gate.name} cannot open: {reading.waits_for}")
        if elapsed >= gate.deadline_s:
            if gate.waits_only:
                evidence = f"waited {gate.deadline_s:.0f} s without proof: {reading.waits_for}"
                return Passed(gate.name, evidence, from_ns)
            why = f"gate {gate.name} not open after {gate.deadline_s:.0f} s: waits for {reading.waits_for}"
            raise GateMissedError(gate.name, why)
        tell(reading.waits_for, elapsed)
        sleep(POLL_S)
