"""Gates: what has to be true before the path goes on, with a deadline, and evidence once it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import KafkaException

from cutover_harness.errors import FinalError, UsageError

POLL_S = 0.05


@dataclass(frozen=True)
class Reading:
    """One look at a gate: whether it is open, what it waits for where not, what proves it where it is.

    `never`: it will not open however long it is waited for, and `waits_for` says why. `left`: how much is missing, if
    that can be counted: the deadline begins again whenever it is less than ever before. `enough`: what a documented
    wait waits for is not proved, but it can be passed without once its time is over.
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


class Progress:
    """Watches what is left become less; `patience_s` is how long it may stay as it is.

    `idle_s`: how long it has been no less already, when a conductor that was killed looked.
    """

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic, *, idle_s: float = 0.0) -> None:
        self.made = False
        self._patience_s = patience_s
        self._clock = clock
        self._since = clock() - idle_s
        self._least: float | None = None

    def stuck(self, left: float | None) -> bool:
        """Take in what is left, None where it is not known; return whether that has been no less for too long."""
        if left is not None and (self._least is None or left < self._least):
            if self._least is not None:
                self.made = True
                self._since = self._clock()
            self._least = left
        return self.idle_s >= self._patience_s

    @property
    def idle_s(self) -> float:
        """How long what is left has been no less."""
        return self._clock() - self._since


LEFT_EVERY_S = 5.0


def seldom(
    read: Callable[[], float], every_s: float = LEFT_EVERY_S, clock: Callable[[], float] = time.monotonic
) -> Callable[[], float | None]:
    """Return `read` for what is too dear to be read at each look: None but every few seconds, for the first time then.

    What cannot be read is no progress.
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
    waited_s: float = 0.0,
    progress: Progress | None = None,
) -> Passed:
    """Wait until `gate` is open; `tell` hears what it waits for and for how long already.

    `waited_s`: how long a conductor that was killed has waited for it already, and `progress` what it made of that. The
    gate is read at least once. Raises
    GateMissedError at the gate's deadline, or where it will never open.
    """
    from_ns = time.time_ns() - int(waited_s * 1e9)
    begin = clock() - waited_s
    progress = progress or Progress(gate.deadline_s, clock)
    while True:
        reading = gate.read()
        elapsed = clock() - begin
        if reading.open:
            return Passed(gate.name, reading.evidence, from_ns)
        if reading.never:
            raise GateMissedError(gate.name, f"gate {gate.name} cannot open: {reading.waits_for}")
        if progress.stuck(reading.left):
            if gate.waits_only and reading.enough:
                evidence = f"waited {gate.deadline_s:.0f} s without proof: {reading.waits_for}"
                return Passed(gate.name, evidence, from_ns)
            when = f"after {elapsed:.0f} s" + (
                f", {gate.deadline_s:.0f} s of them without progress" if progress.made else ""
            )
            why = f"gate {gate.name} not open {when}: waits for {reading.waits_for}"
            raise GateMissedError(gate.name, why)
        tell(reading.waits_for, elapsed)
        sleep(POLL_S)


def forgiving(read: Callable[[], Reading]) -> Callable[[], Reading]:
    """Return `read` for a world in which brokers and Connect go away and come back: then the gate is just not open."""

    def forgiven() -> Reading:
        try:
            return read()
        except FinalError:
            raise
        except (UsageError, KafkaException) as why:
            return Reading(open=False, waits_for=" ".join(str(why).split()))

    return forgiven
