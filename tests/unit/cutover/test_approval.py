"""Approvals: which steps need one, that an old answer does not count, and that a declined step is not done."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.journalled_gates import JournalledGates, unapproved
from cutover_harness.conductor.waiting import GateMissedError
from cutover_harness.plan.load import find
from cutover_harness.procedure.approval import needs_approval
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.path import states_after
from cutover_harness.procedure.state import RouteState
from cutover_harness.procedure.steps import step_of

STEP = StepName.STOP_CONSUMERS


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("in-process", ["create-task", "stop-consumers", "stop-producers", "delete-task"]),
        ("stop-first", ["create-task", "stop-consumers", "stop-producers", "delete-task"]),
        ("overlap", ["create-task", "overlap-consumers", "consumers-to-target", "stop-producers", "delete-task"]),
    ],
)
def test_no_question_while_clients_are_on_hold(path: str, asked: list[str]) -> None:
    steps = [each.step for each in find(path).path]
    befores = [RouteState(), *states_after(steps)]
    found = [step for step, state in zip(steps, befores, strict=False) if needs_approval(step_of(step), state)]
    assert found == asked


def gates(journal: Journal) -> JournalledGates:
    return JournalledGates(journal, None, 1.0, (), 1.0)  # type: ignore[arg-type]


def answered(path: Path, after: int, **detail: object) -> threading.Thread:
    """Answer the first request for approval after the entry `after`, as another process does."""

    def run() -> None:
        other = Journal(path)
        while (asked := unapproved(other.read())) is None or asked.id <= after:
            pass
        other.write("answer", asked.step, asked.name, **detail)
        other.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_an_approval_opens_the_step_and_an_old_one_does_not(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    thread = answered(journal.path, 0, approved=True, by="ann")
    gates(journal).approve(2, STEP)
    thread.join()
    assert unapproved(journal.read()) is None
    last = journal.read()[-1].id
    thread = answered(journal.path, last, approved=False, by="bob")
    with pytest.raises(GateMissedError, match="stop-consumers was declined by bob"):
        gates(journal).approve(2, STEP)
    thread.join()


def test_anything_but_true_is_no_approval(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    thread = answered(journal.path, 0, approved="yes")
    with pytest.raises(GateMissedError, match="declined by nobody"):
        gates(journal).approve(2, STEP)
    thread.join()
