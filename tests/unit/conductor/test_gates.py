from __future__ import annotations

from collections.abc import Iterator

import pytest
from cutover_harness.conductor.gates import Gate, GateMissedError, Reading, wait


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def readings(*values: Reading) -> Iterator[Reading]:
    yield from values
    while True:
        yield values[-1]


def gate(*values: Reading, waits_only: bool = False) -> Gate:
    looks = readings(*values)
    return Gate("g", lambda: next(looks), deadline_s=1.0, waits_only=waits_only)


SHUT = Reading(open=False, waits_for="a-1")
OPEN = Reading(open=True, evidence="proved")


def test_a_gate_opens_with_its_evidence() -> None:
    said: list[str] = []
    clock = Clock()
    passed = wait(gate(SHUT, SHUT, OPEN), lambda waits, _: said.append(waits), clock=clock, sleep=clock.sleep)
    assert passed.evidence == "proved"
    assert said == ["a-1", "a-1"]


def test_a_missed_deadline_says_what_it_waited_for() -> None:
    clock = Clock()
    with pytest.raises(GateMissedError, match="gate g not open after 1 s: waits for a-1"):
        wait(gate(SHUT), lambda _waits, _elapsed: None, clock=clock, sleep=clock.sleep)


def test_a_documented_wait_ends_without_proof_and_says_so() -> None:
    clock = Clock()
    passed = wait(gate(SHUT, waits_only=True), lambda _waits, _elapsed: None, clock=clock, sleep=clock.sleep)
    assert passed.evidence == "waited 1 s without proof: a-1"
