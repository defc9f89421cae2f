"""Gates: what has to be true before the path goes on, with a deadline, and evidence once it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from cutover_harness.conductor.protocols import Observer

POLL_S = 0.1


@dataclass(frozen=True)
class Reading:
    """One look at a gate: whether it is open, what it waits for where not, what proves it where it is."""

    open: bool
    waits_for: str = ""
    evidence: str = ""


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


@dataclass(frozen=True)
class Passed:
    """A gate that was passed."""

    name: str
    evidence: str
    from_ns: int
    to_ns: int


def wait(
    gate: Gate,
    observer: Observer,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Passed:
    """Wait until `gate` is open. Raises GateMissedError at its deadline."""
    from_ns = time.time_ns()
    begin = clock()
    while True:
        reading = gate.read()
        elapsed = clock() - begin
        if reading.open:
            evidence = reading.evidence
        elif elapsed < gate.deadline_s:
            observer.waiting(gate.name, reading.waits_for, elapsed, gate.deadline_s)
            sleep(POLL_S)
            continue
        elif gate.waits_only:
            evidence = f"waited {gate.deadline_s:.0f} s without proof: {reading.waits_for}"
        else:
            raise GateMissedError(
                f"gate {gate.name} not open after {gate.deadline_s:.0f} s: waits for {reading.waits_for}"
            )
        observer.opened(gate.name, evidence, elapsed)
        return Passed(gate.name, evidence, from_ns, time.time_ns())
