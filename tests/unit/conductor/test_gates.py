from __future__ import annotations

from collections.abc import Iterator

import pytest
from cutover_harness.conductor.waiting import GateMissedError, wait
from cutover_harness.errors import UsageError
from cutover_harness.procedure.gates import Gate, Reading, seldom


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


def test_the_error_of_a_missed_deadline_contains_what_it_waited_for() -> None:
    clock = Clock()
    with pytest.raises(GateMissedError, match="gate g not open after 1 s: waits for a-1"):
        wait(gate(SHUT), lambda _waits, _elapsed: None, clock=clock, sleep=clock.sleep)


def test_a_documented_wait_ends_without_proof_and_reports_that() -> None:
    clock = Clock()
    enough = Reading(open=False, waits_for="a-1", enough=True)
    passed = wait(gate(enough, waits_only=True), lambda _waits, _elapsed: None, clock=clock, sleep=clock.sleep)
    assert passed.evidence == "waited 1 s without proof: a-1"


def left(*counts: int) -> Gate:
    return gate(*(Reading(open=False, waits_for=f"{count} left", left=count) for count in counts))


def test_a_deadline_counts_from_the_last_progress() -> None:
    clock = Clock()
    slow = [count for count in range(100, 0, -1) for _ in range(15)]  # less every 0.75 s, for 75 s
    with pytest.raises(GateMissedError, match="not open after 75 s, 1 s of them without progress: waits for 1 left"):
        wait(left(*slow), lambda _waits, _elapsed: None, clock=clock, sleep=clock.sleep)


@pytest.mark.parametrize("counts", [(5,), (5, 9, 14, 20), (5, 6) * 40], ids=["stuck", "grows", "goes up and down"])
def test_only_a_new_minimum_is_progress(counts: tuple[int, ...]) -> None:
    clock = Clock()
    with pytest.raises(GateMissedError, match="not open after 1 s: waits for"):
        wait(left(*counts), lambda _waits, _elapsed: None, clock=clock, sleep=clock.sleep)


def test_a_dear_reading_is_taken_seldom_and_an_error_is_no_progress() -> None:
    clock = Clock()
    answers: Iterator[float | UsageError] = iter([7.0, UsageError("the source does not answer"), 3.0])

    def read() -> float:
        answer = next(answers)
        if isinstance(answer, UsageError):
            raise answer
        return answer

    look = seldom(read, 5.0, clock)
    seen = []
    for _ in range(16):
        seen.append(look())
        clock.sleep(1.0)
    assert [(second, found) for second, found in enumerate(seen) if found is not None] == [(5, 7.0), (15, 3.0)]


def test_a_documented_wait_does_not_end_over_what_would_cost_records() -> None:
    clock = Clock()
    with pytest.raises(GateMissedError, match="gate g not open after 1 s: waits for a-1"):
        wait(gate(SHUT, waits_only=True), lambda _waits, _elapsed: None, clock=clock, sleep=clock.sleep)
