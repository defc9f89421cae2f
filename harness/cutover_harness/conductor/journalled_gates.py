"""Gates of a path, passed one after the other; the journal contains each wait, so a deadline survives the process."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.conductor.resume import reached, turned_back, waited
from cutover_harness.conductor.waiting import GateMissedError, Passed, Progress, forgiving, wait
from cutover_harness.procedure.conditions import Conditions
from cutover_harness.procedure.context import Action
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.procedure.names import StepName

When = Literal["before", "during", "move", "after"]
"""When another process is asked for something: before a step's gates; when they are passed and the step comes next; as
the step itself (apps that are restarted); right after it."""
Watched = Callable[[float], Gate]
"""Returns a gate with this deadline."""
WAITS_EVERY_S = 0.5
ASKED_WITHIN_S = 900.0
"""How long the process that was asked may take: longer than any fault that the path waits for."""
APPROVE = "approve"
"""Moment of a request that a person answers: before a step's gates."""


@dataclass(frozen=True)
class JournalledGates:
    """Passes gates, repeats actions and asks another process, for the steps of one path.

    `deadline_s` is that of actions. `asks`: what to ask for, by step and moment; the answer takes `asked_within_s` at
    most.
    """

    journal: Journal
    conditions: Conditions
    deadline_s: float
    asks: Sequence[tuple[StepName, When]]
    asked_within_s: float
    fence: Callable[[], object] = lambda: None
    """Called before anything is done; raises if somebody else conducts the run now."""
    closing: Callable[[], str | None] = lambda: None
    """Returns what closes every gate besides its own condition; not on the way back."""

    def ask(self, number: int, name: StepName, when: When, *, safety: bool = False) -> None:
        """Ask the process that watches the journal to do its part, and wait for its answer.

        With `safety` not while the mirror is broken, nor while something closes every gate: a conductor that resumes
        the step may not have waited for its gates again. Raises GateMissedError.
        """
        if (name, when) not in self.asks:
            return
        request = f"{when} {name}"
        if safety:
            self._wait(number, self._guarded(Gate(request, lambda: Reading(open=True), self.deadline_s)))
        if not self.journal.find("ask", number, request) or not answered(self.journal.read(), number, request, when):
            # Also if a conductor that was killed has asked already: who watched that one may be gone.
            self.journal.write("ask", number, request, act=name, when=when)

        def read() -> Reading:
            return Reading(open=answered(self.journal.read(), number, request, when), waits_for=request)

        self._wait(number, Gate(request, read, self.asked_within_s))

    def approve(self, number: int, name: StepName) -> None:
        """Ask a person to approve a step, and wait for the answer, however long it takes.

        An answer to an earlier request does not count: the figures that it was given on may be out of date. Raises
        GateMissedError if the step is declined.
        """
        asked = self.journal.write("ask", number, f"{APPROVE} {name}", act=name, when=APPROVE)

        def read() -> Reading:
            answer = answer_to(self.journal.read(asked), number, name)
            return Reading(open=answer is not None, waits_for="a person's approval")

        wait(Gate(f"{APPROVE} {name}", read, math.inf), lambda *_: None)
        answer = answer_to(self.journal.read(asked), number, name)
        if answer is None or answer.detail.get("approved") is not True:
            by = "" if answer is None else f" by {answer.detail.get('by', 'nobody')}"
            raise GateMissedError(f"{APPROVE} {name}", f"{name} was declined{by}")

    def get(self, number: int, name: str, do: Callable[[], object]) -> None:
        """Do something; repeat it while a cluster or Connect is away."""

        def read() -> Reading:
            self.fence()
            do()
            return Reading(open=True)

        self._wait(number, Gate(name, read, self.deadline_s))

    def pass_all(self, number: int, gates: Iterable[Gate | Action], *, safety: bool = True) -> None:
        """Pass the gates and do the actions of a step, in order. Raises GateMissedError."""
        for gate in gates:
            if isinstance(gate, Action):
                self.get(number, gate.name, gate.do)
            else:
                self.pass_one(number, gate, safety=safety)

    def pass_one(self, number: int, gate: Gate, *, safety: bool = True) -> None:
        """Pass a gate. With `safety` a broken mirror closes it for good. Raises GateMissedError."""
        passed = self._wait(number, self._guarded(gate) if safety else gate)
        self.journal.write("gate", number, passed.name, evidence=passed.evidence, from_ns=passed.from_ns)

    def _guarded(self, gate: Gate) -> Gate:
        """Return a gate that a broken mirror closes for good, and that is closed while anything closes every gate."""
        if self._needs_mirror:
            gate = self.conditions.unless_broken(gate)
        if not turned_back(self.journal.read()):
            gate = replace(gate, read=unless(self.closing, gate.read))
        return gate

    def _wait(self, number: int, gate: Gate) -> Passed:
        """Wait for a gate, and note in the journal for how long, so that its deadline survives this process."""
        waited_before_s, idle_s = waited(self.journal.read(), number, gate.name)
        progress = Progress(gate.deadline_s, idle_s=idle_s)
        noted_s = waited_before_s

        def note(waits_for: str, elapsed_s: float) -> None:
            nonlocal noted_s
            if elapsed_s - noted_s >= WAITS_EVERY_S:
                noted_s = elapsed_s
                self.journal.write(
                    "waits",
                    number,
                    gate.name,
                    waits_for=waits_for,
                    elapsed_s=elapsed_s,
                    idle_s=progress.idle_s,
                    deadline_s=gate.deadline_s,
                )

        return wait(replace(gate, read=forgiving(gate.read)), note, waited_s=waited_before_s, progress=progress)

    @property
    def _needs_mirror(self) -> bool:
        """Whether the target still gets records; on the way back, and after the cut, it gets none."""
        entries = self.journal.read()
        state = reached(entries)
        mirroring = state.has_task and not state.reverse and state.producers != "target"
        return mirroring and not turned_back(entries)


def answered(entries: Sequence[Entry], number: int, request: str, when: When) -> bool:
    """Return whether a request to another process has an answer that counts.

    That clients were moved does not count any more once a gate was missed: they may still be where they were.
    """
    missed = max((e.id for e in entries if e.kind == "missed"), default=0) if when == "move" else 0
    return any(e.kind == "answer" and (e.step, e.name) == (number, request) and e.id > missed for e in entries)


def unless(closing: Callable[[], str | None], read: Callable[[], Reading]) -> Callable[[], Reading]:
    """Return `read`, which is not open while `closing` returns why."""

    def reading() -> Reading:
        found = read()
        why = closing()
        if why is None or why in found.waits_for:
            return found
        return replace(found, open=False, enough=False, waits_for="; ".join(filter(None, [found.waits_for, why])))

    return reading


def answer_to(entries: Iterable[Entry], number: int, name: StepName) -> Entry | None:
    """Return the answer to a request for approval among the entries after it, None if there is none yet."""
    request = f"{APPROVE} {name}"
    return next((e for e in entries if e.kind == "answer" and (e.step, e.name) == (number, request)), None)


def unapproved(entries: Sequence[Entry]) -> Entry | None:
    """Return the last request for approval if it has no answer yet."""
    asked = [e for e in entries if e.kind == "ask" and e.detail.get("when") == APPROVE]
    if not asked:
        return None
    last = asked[-1]
    answered = answer_to([e for e in entries if e.id > last.id], last.step, StepName(last.detail["act"]))
    return last if answered is None else None
