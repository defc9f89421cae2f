"""Faults of processes: they hit, or the run proves nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from cutover_harness.errors import UsageError
from cutover_harness.faults.base import Injected, Proof
from cutover_harness.faults.injector import Injector
from cutover_harness.procedure.names import StepName

from tests.unit.faults.faults import context, fault

STOP = StepName.STOP_PRODUCERS


class Victim:
    """A process that a signal stops, or that goes on regardless."""

    def __init__(self, stops: bool = True, comes_back: bool = True) -> None:
        self.did: list[str] = []
        self._stops = stops
        self._comes_back = comes_back

    def kill(self) -> None:
        self.did.append("kill")

    def freeze(self) -> None:
        self.did.append("freeze")

    def thaw(self) -> None:
        self.did.append("thaw")

    def stop(self) -> str | None:
        self.did.append("stop")
        return "not shut down 51 s after SIGTERM, so it was killed (SIGKILL)"

    def restart(self) -> None:
        self.did.append("restart")
        if not self._comes_back:
            raise UsageError("connect did not answer\nwithin 90 s")

    def stopped(self) -> bool:
        return self._stops


def inject(kind: str, victim: Victim) -> Injector:
    injector = Injector((fault(kind, "connect", at=STOP, seconds=0.01),), context(nodes={"connect": lambda: victim}))
    injector.inject(STOP, "before")
    injector.finish()
    return injector


def test_a_restarted_process_is_down_before_the_path_continues_and_a_kill_is_reported() -> None:
    victim = Victim()
    (precondition,) = inject("restart", victim).preconditions
    assert victim.did == ["stop", "restart"]
    assert precondition.held
    assert (
        "was down at stop-producers (not shut down 51 s after SIGTERM, so it was killed (SIGKILL))"
        in precondition.evidence
    )


def test_a_restart_of_what_never_went_down_proves_nothing() -> None:
    assert not inject("restart", Victim(stops=False)).preconditions[0].held


def test_an_end_that_fails_unexpectedly_is_reported() -> None:
    class Odd(Victim):
        def restart(self) -> None:
            raise IndexError("list index out of range")

    hit, ended = inject("kill", Odd()).preconditions
    assert hit.held
    assert (ended.held, ended.evidence) == (False, "IndexError: list index out of range")


def test_a_victim_that_does_not_come_back_is_reported() -> None:
    hit, ended = inject("kill", Victim(comes_back=False)).preconditions
    assert hit.held
    assert (ended.held, ended.evidence) == (False, "connect did not answer within 90 s")


def test_a_fault_is_injected_once_on_a_path_that_reaches_its_step_twice() -> None:
    victim = Victim()
    injector = Injector((fault("kill", "connect", at=STOP, seconds=0.01),), context(nodes={"connect": lambda: victim}))
    for _ in range(2):
        injector.inject(STOP, "before")
    injector.finish()
    assert len(injector.preconditions) == 1
    assert victim.did.count("restart") == 1


class Conductor:
    """A conductor that a kill ends, or that outlives it."""

    def __init__(self, ends: bool = True) -> None:
        self.did: list[str] = []
        self._ends = ends

    def kill(self) -> None:
        self.did.append("kill")

    def stopped(self) -> bool:
        return self._ends

    def restart(self) -> None:
        self.did.append("restart")


@pytest.mark.parametrize("ends", [True, False])
def test_a_killed_conductor_runs_again_before_the_path_continues(ends: bool) -> None:
    conductor = Conductor(ends)
    injector = Injector((fault("kill", "conductor", at=STOP, seconds=0.05),), context(conductor=conductor))
    begin = time.monotonic()
    injector.inject(STOP, "before")
    assert conductor.did == ["kill", "restart"]
    assert time.monotonic() - begin >= 0.05
    injector.finish()
    assert [(precondition.name, precondition.held) for precondition in injector.preconditions] == [
        ("fault kill conductor hit", ends)
    ]
    assert [mark.name for mark in injector.marks] == ["kill conductor"]


class Happening:
    """A fault whose proof is what `prove` returns."""

    def __init__(self, prove: Any) -> None:
        self.at, self.when, self.name = STOP, "before", "expire topics"
        self._prove = prove

    def inject(self, _: object) -> Injected:
        return Injected(self._prove)


def happened(prove: Any) -> Injector:
    which: Any = Happening(prove)
    injector = Injector((which,), context())
    injector.inject(StepName.SYNCHRONISE, "before")
    assert not injector.marks
    injector.inject(STOP, "before")
    injector.finish()
    return injector


def test_a_fault_is_marked_and_its_proof_kept() -> None:
    injector = happened(lambda: Proof(False, "nothing was there"))
    assert [mark.name for mark in injector.marks] == ["expire topics"]
    (precondition,) = injector.preconditions
    assert (precondition.name, precondition.held, precondition.evidence) == (
        "fault expire topics hit",
        False,
        "nothing was there",
    )


@pytest.mark.parametrize(
    "error",
    [
        KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN, "all brokers are down")),
        OSError(28, "No space left on device"),
        UsageError("Connect did not answer"),
    ],
    ids=["cluster", "disk", "usage"],
)
def test_a_proof_that_could_not_be_read_proves_nothing(error: Exception) -> None:
    def prove() -> Proof:
        raise error

    (precondition,) = happened(prove).preconditions
    assert not precondition.held
    assert any(word in precondition.evidence for word in ("brokers are down", "No space left", "did not answer"))
