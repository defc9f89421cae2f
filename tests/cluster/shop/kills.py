"""A run whose conductor is killed before, during and after steps, and resumed each time."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from cutover_harness.cli.approving import answer
from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.conductor.journalled_gates import unapproved
from cutover_harness.processes import Process, tail
from cutover_harness.reaper import alive

from tests.waiting import wait_until

Moment = Literal["before", "during", "after"]
MOMENTS: tuple[Moment, ...] = ("before", "during", "after")
_SEEN = {"before": "step", "during": "doing", "after": "done"}
CONDUCTOR = "cutover_harness.conductor.process"


@dataclass(frozen=True)
class Kill:
    """A moment at which to kill: before what a step does (its gates may be open), during it, or after it."""

    step: str
    moment: Moment
    alone: bool = False
    """Kill only the conductor, and not the command that runs it."""


def entries(journal: Path) -> list[Entry]:
    """Return the journal's entries, none before there is one."""
    if not journal.exists():
        return []
    with closing(Journal(journal)) as opened:
        return opened.read()


def kill_at(kill: Kill, process: Process, journal: Path) -> Moment:
    """Wait for the moment, kill, and return which moment it was: it may be over before the signal arrives.

    process: the command that runs the conductor. A request for approval is answered with yes.
    """
    place = f"file:{journal}?mode=ro"
    query = "SELECT count(*) FROM entry WHERE kind = ? AND name = ?"
    wait_until(lambda: conductors(process) or not process.running, 90)

    def come() -> bool:
        if not process.running:
            return True
        if not journal.exists():
            return False
        approve(journal)
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(place, uri=True)) as database:
            return bool(database.execute(query, (_SEEN[kill.moment], kill.step)).fetchone()[0])
        return False

    wait_until(come, 180, backoff_s=0.001)
    killed = conductors(process)
    assert killed, f"{kill}: ended before: {tail(process.log, 20)}"
    for each in killed:
        with suppress(psutil.NoSuchProcess):
            os.kill(each.pid, signal.SIGKILL)
    if kill.alone:
        assert process.wait(60) != 0, f"{kill}: a command whose conductor was killed reports success"
    else:
        process.kill()
    wait_until(lambda: not any(alive(each) for each in killed), 30)
    kinds = {entry.kind for entry in entries(journal) if entry.name == kill.step}
    return "after" if "done" in kinds else "during" if "doing" in kinds else "before"


def approve(journal: Path) -> None:
    """Approve what the conductor asks for, as `kafka-cutover advance` does."""
    asked = unapproved(entries(journal))
    if asked is not None:
        answer(journal, asked, approved=True, how="test")


def conductors(command: Process) -> list[psutil.Process]:
    """Return the conductor that a command runs, if it has started it."""
    with suppress(psutil.Error):
        its = psutil.Process(command.pid).children(recursive=True)
        return [each for each in its if CONDUCTOR in " ".join(_line(each))]
    return []


def _line(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []
