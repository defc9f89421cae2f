"""Answers that are typed in the terminal of a run, and answers of two people at once."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from cutover_harness.cli.approving import Approver, answer
from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.conductor.journalled_gates import unapproved
from cutover_harness.procedure.names import StepName


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal as standard input; what is written to the descriptor is typed."""
    typing, terminal = pty.openpty()
    with os.fdopen(terminal, "r", encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield typing
    os.close(typing)


def ask(journal: Journal, step: StepName, number: int) -> Entry:
    journal.write("ask", number, f"approve {step}", act=step, when="approve")
    return journal.read()[-1]


def type_line(keyboard: int, text: str) -> None:
    os.write(keyboard, text.encode())
    assert select.select([sys.stdin], [], [], 10)[0]


def answers(journal: Journal) -> list[object]:
    return [each.detail["approved"] for each in journal.read() if each.kind == "answer"]


def test_what_was_typed_before_a_question_does_not_answer_it(journal: Journal, keyboard: int) -> None:
    approver = Approver(journal.path, lambda asked: [], frozenset(), "advance")
    type_line(keyboard, "y\n")  # for an earlier question, which somebody else has answered
    approver.saw(ask(journal, StepName.STOP_CONSUMERS, 2))
    approver.look()
    assert answers(journal) == []
    type_line(keyboard, "y\n")
    approver.look()
    assert answers(journal) == [True]


def while_answering(journal: Journal, monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> threading.Thread:
    """Do something in another thread between the look at the journal and the answer, unless it has to wait."""
    other = threading.Thread(target=do)

    def look(entries: Sequence[Entry]) -> Entry | None:
        found = unapproved(entries)
        monkeypatch.undo()
        other.start()
        other.join(0.5)
        return found

    monkeypatch.setattr("cutover_harness.cli.approving.unapproved", look)
    return other


def test_an_answer_counts_only_for_its_request(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask_again() -> None:
        """A conductor that is continued asks again."""
        with closing(Journal(journal.path)) as its:
            ask(its, StepName.STOP_CONSUMERS, 2)

    first = ask(journal, StepName.STOP_CONSUMERS, 2)
    conductor = while_answering(journal, monkeypatch, ask_again)
    assert answer(journal.path, first, approved=True, how="test", by="ann")
    conductor.join()
    second = unapproved(journal.read())
    assert second is not None, "an answer to the first request approves the second one"
    assert second.id > first.id
    assert not answer(journal.path, first, approved=True, how="test", by="ann")
    assert answer(journal.path, second, approved=False, how="test", by="bob")


def test_of_two_answers_at_once_one_counts(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(journal, StepName.STOP_CONSUMERS, 2)
    counted: list[bool] = []
    other = while_answering(
        journal,
        monkeypatch,
        lambda: counted.append(answer(journal.path, asked, approved=False, how="test", by="bob")),
    )
    counted.append(answer(journal.path, asked, approved=True, how="test", by="ann"))
    other.join()
    assert sorted(counted) == [False, True]
    assert answers(journal) == [True]


IN_BACKGROUND = """
import os, pathlib, pty, sys
from cutover_harness.cli.approving import Approver
from cutover_harness.conductor.journal import Entry

leader, terminal = pty.fork()
if leader == 0:
    if (child := os.fork()) == 0:
        os.setpgid(0, 0)
        asked = Entry(1, 0, "ask", 2, "approve stop-consumers", {"act": "stop-consumers", "when": "approve"})
        Approver(pathlib.Path("none"), lambda asked: [], frozenset(), "advance").saw(asked)
        os._exit(7)
    _, status = os.waitpid(child, os.WUNTRACED)
    os._exit(1 if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(leader, 0)[1]))
"""


def test_a_run_in_the_background_is_not_stopped_by_a_question() -> None:
    assert subprocess.run([sys.executable, "-c", IN_BACKGROUND], check=False, timeout=60).returncode == 7
