"""Several scenarios, one after the other or some at once, and the folder that they leave."""

from __future__ import annotations

import random
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Report
from cutover_harness.judge.totals import NOT_REHEARSED
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.folder import Decision, RunFolder, write_report
from cutover_harness.rehearsal.run import Rehearsal, Watcher
from cutover_harness.rehearsal.settings import Settings
from cutover_harness.rehearsal.workers import run_at_once

STARTS = 2
"""How often a testbed is started that does not come up."""
GIVE_UP_AFTER = 3
"""After so many scenarios in succession whose testbeds did not come up the rest is not tried."""


class Audience(Protocol):
    """Who is told of the scenarios; called from several threads."""

    def said(self, text: str) -> None:
        """Something that concerns the whole rehearsal."""
        ...

    def begin(self, name: str, number: int, total: int) -> Watcher:
        """Scenario `name`, the `number`th of `total` (from 1), begins; what is returned watches it."""
        ...

    def ended(self, name: str, outcome: str) -> None:
        """It was judged, or (`outcome` "not rehearsed") could not be."""
        ...


@dataclass(frozen=True)
class Rehearsed:
    """What came of each scenario that was asked for, in their order: a report, or why it was not rehearsed.

    unfit: nothing was rehearsed, for reasons that lie in the environment. decision: of the report, None if there is
    none. report_error: why not. stopped: what ended the rehearsal before its time, an interruption for instance.
    """

    reports: dict[str, Report]
    not_rehearsed: dict[str, str]
    unfit: bool = False
    decision: Decision | None = None
    report_error: UsageError | None = None
    stopped: BaseException | None = None


def rehearse_all(scenarios: Sequence[Scenario], settings: Settings, audience: Audience) -> Rehearsed:
    """Rehearse `scenarios`, `settings.jobs` at once, and write the report.

    Whatever goes wrong, each of them is in the result and in the folder. An error of the environment, or a defect, ends
    its scenario alone; what interrupts the tool ends them all, and is in the result. Raises UsageError where the output
    folder or the capture cannot be used.
    """
    session = _Session(scenarios, settings, audience, RunFolder(settings, scenarios))
    try:
        if session.folder.said:
            audience.said(session.folder.said)
        stopped: BaseException | None = None
        try:
            session.run()
        except BaseException as why:  # noqa: BLE001 - handed on, once what was done until then is reported
            stopped = why
        session.close(stopped)
        decision, report_error = None, None
        try:
            decision = write_report(settings.out)
        except UsageError as why:
            report_error = why
    finally:
        session.folder.release()
    names = [scenario.name for scenario in scenarios]
    return Rehearsed(
        reports={name: session.reports[name] for name in names if name in session.reports},
        not_rehearsed={name: session.absent[name] for name in names if name in session.absent},
        unfit=not session.reports and stopped is None and not session.defects,
        decision=decision,
        report_error=report_error,
        stopped=stopped,
    )


@dataclass
class _Session:
    scenarios: Sequence[Scenario]
    settings: Settings
    audience: Audience
    folder: RunFolder
    reports: dict[str, Report] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    defects: int = 0
    without: list[str] = field(default_factory=list)
    """The last scenarios in succession whose testbeds did not come up."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        # Drawn in advance, so that a seed gives a scenario the same number whatever runs beside it.
        numbers = random.Random(self.settings.seed)  # noqa: S311 - marks records apart, keeps no secret
        runs = [numbers.getrandbits(63) for _ in self.scenarios]
        # One scenario is judged while the next one starts its brokers: nothing is measured in either at that time.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="judge") as judging:
            # Its thread is started here: a worker that is interrupted while it starts one would leave it to nobody.
            judging.submit(lambda: None).result()
            judged: list[Future[None]] = []
            tasks = [
                partial(self._walk, judging, judged, number, scenario, run)
                for number, (scenario, run) in enumerate(zip(self.scenarios, runs, strict=True), start=1)
            ]
            run_at_once(tasks, self.settings.jobs)
            for future in judged:
                future.result()

    def close(self, stopped: BaseException | None) -> None:
        """Say of each scenario that has no result why it has none, and whether everything was done."""
        what = "was interrupted" if isinstance(stopped, KeyboardInterrupt) else f"ended early: {_described(stopped)}"
        for scenario in self.scenarios:
            name = scenario.name
            if name not in self.reports and name not in self.absent:
                begun = f"the rehearsal {what} while it ran"
                self.absent[name] = begun if name in self.begun else f"the rehearsal {what} before it began"
                self.folder.add_error(name, self.absent[name])
        if stopped is None:
            self.folder.finish()

    def _walk(
        self, judging: ThreadPoolExecutor, judged: list[Future[None]], number: int, scenario: Scenario, run: int
    ) -> None:
        with self._lock:
            without = list(self.without)
        self.begun.add(scenario.name)
        watcher = self.audience.begin(scenario.name, number, len(self.scenarios))
        if len(without) >= GIVE_UP_AFTER:
            self._failed(scenario.name, f"not tried, as the testbeds of {', '.join(without)} did not start")
            return
        for start in range(1, STARTS + 1):
            rehearsal = Rehearsal(scenario, self.settings, self.folder.path / scenario.name, run, watcher)
            try:
                walk(rehearsal)
            except Exception as why:  # noqa: BLE001 - it ends this scenario alone, and is reported
                if not rehearsal.environment and start < STARTS:
                    watcher.note(f"the testbed did not start, it is started once more: {_described(why)}")
                    _set_aside(rehearsal.folder)
                    continue
                self._served(scenario.name, served=bool(rehearsal.environment))
                self._failed(scenario.name, self._reason(rehearsal, why))
                return
            break
        self._served(scenario.name, served=True)
        future = judging.submit(self._finish, rehearsal)
        judged.append(future)
        if self.settings.ports:
            future.result()  # the next one needs the ports

    def _finish(self, rehearsal: Rehearsal) -> None:
        name = rehearsal.scenario.name
        try:
            report = rehearsal.finish()
        except Exception as why:  # noqa: BLE001 - as above
            self._failed(name, f"walked, but not judged: {self._reason(rehearsal, why)}")
            return
        self.reports[name] = report
        self.folder.add(name, rehearsal.environment, rehearsal.target_kind)
        self.audience.ended(name, report.verdict.outcome)

    def _served(self, name: str, *, served: bool) -> None:
        with self._lock:
            self.without = [] if served else [*self.without, name]

    def _reason(self, rehearsal: Rehearsal, why: Exception) -> str:
        """Return why in a line; of a defect the traceback is kept in the scenario's folder."""
        if isinstance(why, UsageError):
            return str(why)
        self.defects += 1
        rehearsal.folder.mkdir(parents=True, exist_ok=True)
        file = rehearsal.folder / "error.txt"
        file.write_text("".join(traceback.format_exception(why)), encoding="utf-8", errors="replace")
        return f"{_described(why)} (a defect; {file} has its traceback)"

    def _failed(self, name: str, why: str) -> None:
        self.absent[name] = why
        self.folder.add_error(name, why)
        self.audience.ended(name, f"{NOT_REHEARSED}: {why}")


def _described(why: BaseException | None) -> str:
    """Return an exception in one line."""
    text = " ".join(str(why).split())
    return text if isinstance(why, UsageError) else f"{type(why).__name__}{': ' if text else ''}{text}"


def _set_aside(folder: Path) -> None:
    """Keep what a testbed that did not start has left, where the next one does not write."""
    for name in ("logs", "testbed"):
        if (folder / name).exists():
            (folder / "failed_start").mkdir(exist_ok=True)
            (folder / name).rename(folder / "failed_start" / name)


def walk(rehearsal: Rehearsal) -> None:
    """Walk the path; UsageError as in `Rehearsal.walk`.

    An interruption stays one where its clean-up complains, about apps that were ended, say.
    """
    try:
        rehearsal.walk()
    except Exception as why:
        cause: BaseException | None = why
        while cause is not None and not isinstance(cause, KeyboardInterrupt):
            cause = cause.__context__
        if cause is not None:
            raise KeyboardInterrupt from why
        raise
