"""The conductor as a process: started, followed by its journal, answered, and killed if the scenario requires it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.conductor.journalled_gates import APPROVE, When, answered
from cutover_harness.conductor.observer import Observer
from cutover_harness.conductor.process import COMPLETED, LOST, REFUSED, STOPPED, TURNED_BACK
from cutover_harness.conductor.resume import reached
from cutover_harness.judge.model import Mark, Precondition
from cutover_harness.plan.expect import Ended
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import RouteState
from cutover_harness.procedure.steps import step_of
from cutover_harness.processes import Process, spawn, tail

POLL_S = 0.02
MODULE = "cutover_harness.conductor.process"


@dataclass
class ConductorProcess:
    """A conductor process for the `conductor.json` in `folder`, watched until its path ends.

    answer: does what the conductor asks for at a step. check: raises if an app has died by itself. kill_at_s: moments,
    in seconds from the start, at which the conductor is killed. back: move everything back to the source, wherever the
    path stands. saw: is called with every entry of the journal that is not among `known`, the entries from before.
    lease: the one that the command holds, None for a rehearsal.
    """

    config: ConductorConfig
    folder: Path
    observer: Observer
    answer: Callable[[StepName, When], None]
    check: Callable[[], None]
    kill_at_s: Sequence[float] = ()
    back: bool = False
    saw: Callable[[Entry], None] = lambda _: None
    known: Sequence[Entry] = ()
    lease: str | None = None
    marks: list[Mark] = field(default_factory=list, init=False)
    preconditions: list[Precondition] = field(default_factory=list, init=False)
    ended: Ended = field(default="stopped", init=False)
    refused: bool = field(default=False, init=False)
    """Whether the conductor ended with an error of its input or environment, not at a gate."""
    lost: bool = field(default=False, init=False)
    """Whether it stopped because somebody else has taken the lease over."""
    _process: Process = field(init=False)
    _shown: int = field(default=0, init=False)
    _state: RouteState = field(default_factory=RouteState, init=False)
    _log_size: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.known:
            self._shown, self._state = self.known[-1].id, reached(self.known)

    def run(self) -> str | None:
        """Run until the path ends; return why it was not completed, None if it was.

        Raises UsageError (FleetError) if an app died by itself.
        """
        begin = time.monotonic()
        self._process = self._spawn()
        try:
            return self._follow(Journal(self.config.journal), begin)
        except BaseException:
            # It must not continue while what it works on is cleaned up.
            self._process.stop()
            raise

    def _follow(self, journal: Journal, begin: float) -> str | None:
        times = sorted(self.kill_at_s)
        while True:
            process = self._process
            running = process.running
            self._read_new(journal)
            if times and time.monotonic() - begin >= times[0] and self._process.running:
                moment = times.pop(0)
                self._kill_and_restart(f"{moment:.2f} s after the start")
            elif not running and process is self._process:
                return self._ended(process, journal)
            self.check()
            time.sleep(POLL_S)

    def _spawn(self) -> Process:
        way = [*(["--back"] if self.back else []), *(["--lease", self.lease] if self.lease is not None else [])]
        self._log_size = self._log.stat().st_size if self._log.exists() else 0
        return spawn([sys.executable, "-P", "-m", MODULE, str(self.folder / CONFIG), *way], stdout=self._log)

    @property
    def _log(self) -> Path:
        return self.folder / "logs" / "conductor.log"

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def stopped(self) -> bool:
        """Return whether a SIGKILL ended it."""
        return self._process.returncode == -signal.SIGKILL

    def restart(self) -> None:
        """Start it again; it resumes from its journal."""
        self.observer.note("conductor killed; it resumes from its journal")
        self._process = self._spawn()

    def _kill_and_restart(self, when: str) -> None:
        at = time.time_ns()
        self.kill()
        self.preconditions.append(
            Precondition("fault kill conductor hit", self.stopped(), f"exit code {self._process.returncode} {when}")
        )
        self.marks.append(Mark(at, "fault", "kill conductor", None, when, time.time_ns()))
        self.restart()

    def _ended(self, process: Process, journal: Journal) -> str | None:
        self._read_new(journal)
        if process.returncode == COMPLETED:
            self.ended = "completed"
            return None
        if process.returncode == TURNED_BACK:
            self.ended = "turned-back"
        if process.returncode in (STOPPED, TURNED_BACK):
            missed = [str(e.detail["why"]) for e in journal.read() if e.kind == "missed"]
            return missed[-1] if missed else "turned back, as asked for"
        self.refused = process.returncode == REFUSED
        last = tail(self._log, 1).strip() if self._log.stat().st_size > self._log_size else ""
        if process.returncode == LOST:
            self.lost = True
            return last
        return f"the conductor ended with {process.returncode}: {last or 'it wrote no reason'}"

    def _read_new(self, journal: Journal) -> None:
        """Read new entries of the journal: show them to the observer, and answer what the conductor asks for."""
        for entry in journal.read(self._shown):
            self._shown = entry.id
            self._show(entry)
            self.saw(entry)
            if entry.kind != "ask" or (when := entry.detail["when"]) == APPROVE:
                continue
            if not answered(journal.read(), entry.step, entry.name, when):
                # The conductor waits for the answer, so a fault that kills it does so here on any machine.
                self.answer(StepName(entry.detail["act"]), when)
                journal.write("answer", entry.step, entry.name)

    def _show(self, entry: Entry) -> None:
        detail = entry.detail
        if entry.kind == "step":
            step = step_of(entry.name)
            number, total = entry.step + 1, max(len(self.config.steps), entry.step + 1)
            self.observer.step(number, total, step.name, step.after(self._state).stage)
        elif entry.kind == "doing":
            self._state = step_of(entry.name).after(self._state)
        elif entry.kind == "waits":
            self.observer.waiting(entry.name, detail["waits_for"], detail["elapsed_s"], detail["deadline_s"])
        elif entry.kind == "gate":
            self.observer.opened(entry.name, detail["evidence"], (entry.time_ns - detail["from_ns"]) / 1e9)
        elif entry.kind == "bypass":
            self.observer.note(f"bypass: {detail['words']}")
        elif entry.kind == "note":
            self.observer.note(entry.name)
        elif entry.kind == "missed":
            self.observer.note(f"stopped: {detail['why']}")
        elif entry.kind == "back":
            self.observer.note(f"back to the source: {', '.join(detail['acts'])}")
