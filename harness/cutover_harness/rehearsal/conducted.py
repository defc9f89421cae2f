"""Running the conductor as a process of its own, following its journal, and killing it where the scenario says so."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cutover_harness.conductor.conductor import When
from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.conductor.process import CONFIG, REFUSED, STOPPED, TURNED_BACK, WALKED, ConductorConfig
from cutover_harness.conductor.protocols import Observer
from cutover_harness.conductor.resume import reached
from cutover_harness.judge.model import Guard, Mark
from cutover_harness.plan.fault import Fault
from cutover_harness.plan.path import Act, RouteState
from cutover_harness.processes import Process, spawn, tail

POLL_S = 0.02
MODULE = "cutover_harness.conductor.process"


@dataclass
class Conducted:
    """A conductor process for the `conductor.json` in `folder`, watched until its path ends.

    `answer` does what the conductor asks for at an act. `check` raises where an app has died by itself. `kills`: faults
    that hit the conductor itself, where it asks for them; `kill_at_s`: moments, in seconds from the start, at which it
    is killed. `back`: bring everything back to the source, from wherever the path stands. `saw` hears every entry of
    the journal that is not among `known`, the entries of before.
    """

    config: ConductorConfig
    folder: Path
    observer: Observer
    answer: Callable[[Act, When], None]
    check: Callable[[], None]
    kills: Sequence[Fault] = ()
    kill_at_s: Sequence[float] = ()
    back: bool = False
    saw: Callable[[Entry], None] = lambda _: None
    known: Sequence[Entry] = ()
    marks: list[Mark] = field(default_factory=list, init=False)
    guards: list[Guard] = field(default_factory=list, init=False)
    ended: Literal["walked", "turned-back", "stopped"] = field(default="stopped", init=False)
    refused: bool = field(default=False, init=False)
    """Whether the conductor ended with an error of its input or of the world, rather than at a gate."""
    _process: Process = field(init=False)
    _shown: int = field(default=0, init=False)
    _state: RouteState = field(default_factory=RouteState, init=False)
    _log_size: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.known:
            self._shown, self._state = self.known[-1].id, reached(self.known)

    def run(self) -> str | None:
        """Run until the path ends; return why it was not walked to its end, None where it was.

        Raises UsageError (FleetError) where an app died by itself.
        """
        file = self.folder / CONFIG
        journal = Journal(self.config.journal)
        times = sorted(self.kill_at_s)
        begin = time.monotonic()
        self._process = self._spawn(file)
        while True:
            process = self._process
            running = process.running
            self._hear(journal, file)
            if times and time.monotonic() - begin >= times[0] and self._process.running:
                moment = times.pop(0)
                self._kill(file, 0.0, f"{moment:.2f} s after the start")
            elif not running and process is self._process:
                return self._ended(process, journal, file)
            self.check()
            time.sleep(POLL_S)

    def _spawn(self, file: Path) -> Process:
        way = ["--back"] if self.back else []
        self._log_size = self._log.stat().st_size if self._log.exists() else 0
        return spawn([sys.executable, "-P", "-m", MODULE, str(file), *way], stdout=self._log)

    @property
    def _log(self) -> Path:
        return self.folder / "logs" / "conductor.log"

    def _kill(self, file: Path, down_s: float, where: str) -> None:
        at = time.time_ns()
        code = self._process.kill()
        self.guards.append(Guard("fault kill conductor hit", code == -9, f"exit code {code} {where}"))
        time.sleep(down_s)
        self.marks.append(Mark(at, "fault", "kill conductor", None, where, time.time_ns()))
        self.observer.note("conductor killed; it resumes from its journal")
        self._process = self._spawn(file)

    def _ended(self, process: Process, journal: Journal, file: Path) -> str | None:
        self._hear(journal, file)
        if process.returncode == WALKED:
            self.ended = "walked"
            return None
        if process.returncode == TURNED_BACK:
            self.ended = "turned-back"
        if process.returncode in (STOPPED, TURNED_BACK):
            missed = [str(e.detail["why"]) for e in journal.read() if e.kind == "missed"]
            return missed[-1] if missed else "turned back, as asked for"
        self.refused = process.returncode == REFUSED
        last = tail(self._log, 1).strip() if self._log.stat().st_size > self._log_size else ""
        return f"the conductor ended with {process.returncode}: {last or 'it wrote no reason'}"

    def _hear(self, journal: Journal, file: Path) -> None:
        """Take in what is new in the journal: shown to the observer, and answered where it asks."""
        for entry in journal.read(self._shown):
            self._shown = entry.id
            self._show(entry)
            self.saw(entry)
            if entry.kind == "ask" and journal.find("answer", entry.step, entry.name) is None:
                act, when = Act(entry.detail["act"]), entry.detail["when"]
                for fault in self.kills:
                    if (fault.of, fault.at, fault.when) == ("conductor", act, when):
                        # It waits for the answer, so it is killed there on any machine.
                        self._kill(file, fault.seconds, f"at {fault.at}")
                self.answer(act, when)
                journal.write("answer", entry.step, entry.name)

    def _show(self, entry: Entry) -> None:
        detail = entry.detail
        if entry.kind == "step":
            act = Act(entry.name)
            stage = self._state.after(act).stage
            self.observer.act(entry.step + 1, max(len(self.config.steps), entry.step + 1), act, stage)
        elif entry.kind == "doing":
            self._state = self._state.after(Act(entry.name))
        elif entry.kind == "waits":
            self.observer.waiting(entry.name, detail["waits_for"], detail["elapsed_s"], detail["deadline_s"])
        elif entry.kind == "gate":
            self.observer.opened(entry.name, detail["evidence"], (entry.time_ns - detail["from_ns"]) / 1e9)
        elif entry.kind == "note":
            self.observer.note(entry.name)
        elif entry.kind == "missed":
            self.observer.note(f"stopped: {detail['why']}")
        elif entry.kind == "back":
            self.observer.note(f"back to the source: {', '.join(detail['acts'])}")
