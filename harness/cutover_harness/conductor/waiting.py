"""Waiting for a gate: until it is open, its deadline is over, or it will never open."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import KafkaException

from cutover_harness.errors import FinalError, UsageError
from cutover_harness.procedure.gates import Gate, Reading

POLL_S = 0.05


class Progress:
    """Watches whether the rest decreases; `patience_s` is how long it may stay the same.

    `idle_s`: how long it had not decreased when a conductor that was killed looked last.
    """

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic, *, idle_s: float = 0.0) -> None:
        self.made = False
        self._patience_s = patience_s
        self._clock = clock
        self._since = clock() - idle_s
        self._least: float | None = None

    def stuck(self, left: float | None) -> bool:
        """Note the rest, None if it is not known; return whether it has not decreased for too long."""
        if left is not None and (self._least is None or left < self._least):
            if self._least is not None:
                self.made = True
                self._since = self._clock()
            self._least = left
        return self.idle_s >= self._patience_s

    @property
    def idle_s(self) -> float:
        """How long the rest has not decreased, in seconds."""
        return self._clock() - self._since


class GateMissedError(Exception):
    """A gate that was not open at its deadline; the message contains what it waited for."""

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
    on_wait: Callable[[str, float], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    waited_s: float = 0.0,
    progress: Progress | None = None,
) -> Passed:
    """Wait until `gate` is open; `on_wait` is called with what it waits for, and the seconds so far.

    `waited_s`: how long a conductor that was killed has waited for it already, and `progress` its progress. The gate is
    read at least once. Raises GateMissedError at the gate's deadline, or if it will never open.
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
        on_wait(reading.waits_for, elapsed)
        sleep(POLL_S)


def forgiving(read: Callable[[], Reading]) -> Callable[[], Reading]:
    """Return `read` for brokers and Connect that go away and come back: in the meantime the gate is not open."""

    def forgiven() -> Reading:
        try:
            return read()
        except FinalError:
            raise
        except (UsageError, KafkaException) as why:
            return Reading(open=False, waits_for=" ".join(str(why).split()))

    return forgiven
