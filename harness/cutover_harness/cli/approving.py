"""Ask a person for the approval of a step, in this terminal, while another terminal may answer with `advance`."""

from __future__ import annotations

import os
import select
import sys
import termios
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import typer

from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.conductor.journalled_gates import APPROVE, unapproved
from cutover_harness.cutover.audit import who
from cutover_harness.masking import visible
from cutover_harness.procedure.names import StepName

_YES = ("y", "yes")


def answer(journal: Path, asked: Entry, *, approved: bool, how: str, by: str | None = None) -> bool:
    """Write the answer to a request for approval; return whether it counts. Raises JournalError.

    It does not if another answer was first, or if the request is an old one. by: who answers (default: this user).
    """
    # Alone, as a conductor that is continued asks again, and somebody else may answer in the same moment.
    with closing(Journal(journal)) as open_journal, open_journal.alone():
        pending = unapproved(open_journal.read())
        if pending is None or pending.id != asked.id:
            return False
        open_journal.write("answer", asked.step, asked.name, approved=approved, by=by or who(), how=how)
        return True


def _nothing() -> None:
    """Do nothing: there is no live line to pause."""


def _forget_typed() -> None:
    """Forget what was typed before a question: it was meant for an earlier one, which somebody else has answered."""
    with suppress(OSError):  # it is not the terminal of this session, which has no background processes then
        if os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
            return  # in the background the call would stop this process, and what is typed is for the shell
    with suppress(termios.error):  # the terminal was closed
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


@dataclass
class Approver:
    """Answers the requests for approval of one conductor.

    figures: returns the lines to show with a request. given: steps that were approved when the command was started.
    hint: the command with which another terminal answers.
    """

    journal: Path
    figures: Callable[[Entry], Sequence[str]]
    given: frozenset[StepName]
    hint: str
    pause: Callable[[], None] = _nothing
    resume: Callable[[], None] = _nothing
    announce: Callable[[Entry, list[str]], None] = lambda *_: None
    """Is called with a request that a person has to answer, and its figures."""
    _pending: Entry | None = field(default=None, init=False)

    def saw(self, entry: Entry) -> None:
        """Ask the question if the conductor has asked for approval, and note an answer."""
        if entry.kind == "ask" and entry.detail.get("when") == APPROVE:
            self._ask(entry)
        elif entry.kind == "answer" and self._pending is not None and entry.name == self._pending.name:
            self._pending = None
            done = "approved" if entry.detail.get("approved") else "declined"
            by = f"{entry.detail.get('by')} ({entry.detail.get('how')})"
            typer.echo(visible(f"{entry.name}: {done} by {by}"), err=True)
            self.resume()

    def look(self) -> None:
        """Read the answer if one was typed."""
        if self._pending is None or not sys.stdin.isatty() or not select.select([sys.stdin], [], [], 0)[0]:
            return
        typed = sys.stdin.readline().strip().lower()
        answer(self.journal, self._pending, approved=typed in _YES, how="terminal of the run")

    def _ask(self, asked: Entry) -> None:
        step = StepName(asked.detail["act"])
        self._pending = asked
        self.pause()
        figures = list(self.figures(asked))
        for line in figures:
            typer.echo(visible(line), err=True)
        if step in self.given:
            answer(self.journal, asked, approved=True, how="--yes-until")
            return
        self.announce(asked, figures)
        if sys.stdin.isatty():
            _forget_typed()
            typer.echo(f"Proceed with {step}? [y/N] (or {self.hint})", err=True)
        else:
            typer.echo(f"{step} waits for approval: {self.hint}", err=True)
