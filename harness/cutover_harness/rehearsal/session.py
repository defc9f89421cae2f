"""Several scenarios, one after the other or in parallel, and the folder that they leave."""

from __future__ import annotations

import contextlib
import random
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from confluent_kafka import KafkaException

from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.judge.model import Report
from cutover_harness.judge.totals import NOT_REHEARSED
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.folder import Decision, RunFolder, write_report
from cutover_harness.rehearsal.run import Rehearsal, Watcher
from cutover_harness.rehearsal.settings import Settings
from cutover_harness.rehearsal.testbeds import check_testbed, unavailable
from cutover_harness.rehearsal.workers import CLEAN_UP_S, run_in_parallel

STARTS = 2
"""How often a testbed is started if it does not come up."""
EXISTING_CLEAN_UP_S = 150.0
"""How long an interrupted scenario may take to remove what it created: members of groups leave when they time out."""
GIVE_UP_AFTER = 3
"""After this many scenarios in succession whose testbeds did not come up, the rest is not tried."""
ENVIRONMENT = (UsageError, KafkaException, OSError)
"""Errors of clusters, disks and input; others are defects."""


class Audience(Protocol):
    """Receives the progress of all scenarios; called from several threads."""

    def notice(self, text: str) -> None:
        """Show a line that concerns the whole rehearsal."""
        ...

    def begin(self, name: str, number: int, total: int) -> Watcher:
        """Return a watcher for scenario `name`, which begins as the `number`th (from 1) of `total`."""
        ...

    def ended(self, name: str, outcome: str) -> None:
        """Show that a scenario was judged, or (`outcome` "not rehearsed") could not be."""
        ...


@dataclass(frozen=True)
class Rehearsed:
    """The result of each requested scenario, in their order: a report, or why it was not rehearsed.

    unfit: nothing was rehearsed, because of the environment. decision: of the report, None if there is none.
    report_error: why there is none. left: what could not be removed from existing clusters. stopped: what ended
    the rehearsal early, for instance an interruption.
    """

    reports: dict[str, Report]
    not_rehearsed: dict[str, str]
    unfit: bool = False
    left: Sequence[str] = ()
    decision: Decision | None = None
    report_error: UsageError | None = None
    stopped: BaseException | None = None


def rehearse_all(
    scenarios: Sequence[Scenario], settings: Settings, audience: Audience, *, named: bool = False
) -> Rehearsed:
    """Rehearse `scenarios`, up to `settings.jobs` in parallel, and write the report.

    Those that limit blackouts (`max_blackout_ms`) run after the others, one by one.
    Whatever fails, each of them is in the result and in the folder. An error of the environment, or a defect, ends only
    its scenario. An interruption, or an output folder that can no longer be written, ends them all and is in the
    result. Raises UsageError if the output folder, the capture or existing clusters cannot be used from the beginning,
    or if a scenario that the user has `named` is unavailable on them.
    """
    check_testbed(scenarios, settings, named=named)
    session = _Session(scenarios, settings, audience, RunFolder(settings, scenarios))
    try:
        if session.folder.notice:
            audience.notice(session.folder.notice)
        stopped: BaseException | None = None
        try:
            session.run()
        except BaseException as why:  # noqa: BLE001 - handed on, once what was done until then is reported
            stopped = why
        try:
            session.close(stopped)
        except UsageError as why:  # the folder cannot be written any more
            stopped = stopped or why
        decision, report_error = None, None
        try:
            decision = write_report(settings.out)
        except UsageError as why:
            report_error = why
        except OSError as why:
            report_error = UsageError(f"{settings.out}: the report cannot be written: {in_one_line(why)}")
    finally:
        session.folder.release()
    names = [scenario.name for scenario in scenarios]
    return Rehearsed(
        reports={name: session.reports[name] for name in names if name in session.reports},
        not_rehearsed={name: session.absent[name] for name in names if name in session.absent},
        unfit=not session.reports and stopped is None and not session.defects,
        left=session.left,
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
    left: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    """Scenarios in succession, up to the last one, whose testbeds did not come up."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        # Drawn in advance, so that a seed gives a scenario the same number whatever runs next to it.
        numbers = random.Random(self.settings.seed)  # noqa: S311 - marks records apart, keeps no secret
        runs = [numbers.getrandbits(63) for _ in self.scenarios]
        # One scenario is judged while the next one starts its brokers: nothing is measured in either at that time.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="judge") as judging:
            # Its thread starts here: a thread that an interrupted worker was about to start would never be joined.
            judging.submit(lambda: None).result()
            judged: list[Future[None]] = []
            parallel: list[Callable[[], None]] = []
            alone: list[Callable[[], None]] = []
            for number, (scenario, run) in enumerate(zip(self.scenarios, runs, strict=True), start=1):
                # Scenarios that run in parallel lengthen blackouts, and this one has a limit.
                limited = scenario.expect.max_blackout_ms is not None
                task = partial(self._rehearse, judging, judged, number, scenario, run)
                (alone if limited and self.settings.jobs > 1 else parallel).append(task)
            clean_up_s = EXISTING_CLEAN_UP_S if self.settings.existing else CLEAN_UP_S
            run_in_parallel(parallel, self.settings.jobs, clean_up_s)
            run_in_parallel(alone, 1, clean_up_s)
            for future in judged:
                future.result()

    def close(self, stopped: BaseException | None) -> None:
        """Record why scenarios have no result, and whether everything was done. Raises UsageError."""
        what = "was interrupted" if isinstance(stopped, KeyboardInterrupt) else f"ended early: {_described(stopped)}"
        missing = [s.name for s in self.scenarios if s.name not in self.reports and s.name not in self.absent]
        for name in missing:
            self.absent[name] = f"the rehearsal {what} {'while it ran' if name in self.begun else 'before it began'}"
        for name in missing:
            self.folder.add_error(name, self.absent[name])
        if stopped is None:
            self.folder.finish()

    def _rehearse(
        self, judging: ThreadPoolExecutor, judged: list[Future[None]], number: int, scenario: Scenario, run_number: int
    ) -> None:
        with self._lock:
            without = list(self.without)
        self.begun.add(scenario.name)
        watcher = self.audience.begin(scenario.name, number, len(self.scenarios))
        if (why_not := unavailable(scenario, self.settings)) is not None:
            self._failed(scenario.name, why_not)
            return
        if len(without) >= GIVE_UP_AFTER:
            self._failed(scenario.name, f"not tried, as the testbeds of {', '.join(without)} did not start")
            return
        for start in range(1, STARTS + 1):
            rehearsal = Rehearsal(scenario, self.settings, self.folder.path / scenario.name, run_number, watcher)
            try:
                try:
                    run_rehearsal(rehearsal)
                finally:
                    self.left.extend(rehearsal.left)
            except Exception as why:  # noqa: BLE001 - it ends this scenario alone, and is reported
                if not rehearsal.environment and start < STARTS and self.settings.existing is None:
                    watcher.note(f"the testbed did not start, it is started again: {_described(why)}")
                    with contextlib.suppress(OSError):
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
            self._failed(name, f"run, but not judged: {self._reason(rehearsal, why)}")
            return
        finally:
            self.left.extend(rehearsal.left)
        self.reports[name] = report
        self.folder.add(name, rehearsal.environment, rehearsal.target_kind)
        self.audience.ended(name, report.verdict.outcome)

    def _served(self, name: str, *, served: bool) -> None:
        with self._lock:
            self.without = [] if served else [*self.without, name]

    def _reason(self, rehearsal: Rehearsal, why: Exception) -> str:
        """Return the reason in one line; the traceback of a defect is kept in the scenario's folder."""
        if isinstance(why, ENVIRONMENT):
            return _described(why)
        self.defects += 1
        file = rehearsal.folder / "error.txt"
        try:
            rehearsal.folder.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(traceback.format_exception(why)), encoding="utf-8", errors="replace")
        except OSError as full:
            return f"{_described(why)} (a defect; {file} cannot be written: {in_one_line(full)})"
        return f"{_described(why)} (a defect; {file} contains its traceback)"

    def _failed(self, name: str, why: str) -> None:
        self.absent[name] = why
        self.folder.add_error(name, why)
        self.audience.ended(name, f"{NOT_REHEARSED}: {why}")


def _described(why: BaseException | None) -> str:
    """Return an exception in one line, with its type if it is no error of the environment."""
    text = "" if why is None else in_one_line(why)
    return text if isinstance(why, ENVIRONMENT) else f"{type(why).__name__}{': ' if text else ''}{text}"


def _set_aside(folder: Path) -> None:
    """Move the files of a testbed that did not start to a place where the next one does not write."""
    for name in ("logs", "testbed"):
        if (folder / name).exists():
            (folder / "failed_start").mkdir(exist_ok=True)
            (folder / name).rename(folder / "failed_start" / name)


def run_rehearsal(rehearsal: Rehearsal) -> None:
    """Run the path; errors as in `Rehearsal.run_path`.

    An interruption stays one even if its clean-up fails, for instance because apps were stopped.
    """
    try:
        rehearsal.run_path()
    except Exception as why:
        cause: BaseException | None = why
        while cause is not None and not isinstance(cause, KeyboardInterrupt):
            cause = cause.__context__
        if cause is not None:
            raise KeyboardInterrupt from why
        raise
