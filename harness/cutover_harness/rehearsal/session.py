"""Several scenarios, one after the other or some at once, and the folder that they leave."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Report
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.folder import RunFolder, write_report
from cutover_harness.rehearsal.run import Rehearsal, Watcher
from cutover_harness.rehearsal.settings import Settings
from cutover_harness.rehearsal.workers import run_at_once


class Audience(Protocol):
    """Who is told of the scenarios; called from several threads."""

    def begin(self, name: str, number: int, total: int) -> Watcher:
        """Scenario `name`, the `number`th of `total` (from 1), begins; what is returned watches it."""
        ...

    def ended(self, name: str, outcome: str) -> None:
        """It was judged, or (`outcome` "not rehearsed") could not be."""
        ...


@dataclass(frozen=True)
class Rehearsed:
    """What came of each scenario, in the order in which they were given: a report, or an error of the environment."""

    reports: dict[str, Report]
    errors: dict[str, UsageError]


def rehearse_all(scenarios: Sequence[Scenario], settings: Settings, audience: Audience) -> Rehearsed:
    """Rehearse `scenarios`, `settings.jobs` at once, and write the report.

    What was done before an interruption is reported too. An error of the environment ends its scenario alone; where
    not even the first testbeds came up, the rest is not tried. Raises UsageError where the output folder or the capture
    cannot be used.
    """
    session = _Session(scenarios, settings, audience, RunFolder(settings, [s.name for s in scenarios]))
    try:
        session.run()
        session.folder.finish()
    finally:
        session.folder.save()
        if session.reports:
            write_report(settings.out)
    names = [scenario.name for scenario in scenarios]
    return Rehearsed(
        reports={name: session.reports[name] for name in names if name in session.reports},
        errors={name: session.errors[name] for name in names if name in session.errors},
    )


@dataclass
class _Session:
    scenarios: Sequence[Scenario]
    settings: Settings
    audience: Audience
    folder: RunFolder
    reports: dict[str, Report] = field(default_factory=dict)
    errors: dict[str, UsageError] = field(default_factory=dict)
    served: bool = False
    """Whether any testbed came up."""

    def run(self) -> None:
        # Drawn in advance, so that a seed gives a scenario the same number whatever runs beside it.
        numbers = random.Random(self.settings.seed)  # noqa: S311 - marks records apart, keeps no secret
        runs = [numbers.getrandbits(63) for _ in self.scenarios]
        # One scenario is judged while the next one starts its brokers: nothing is measured in either at that time.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="judge") as judging:
            judged: list[Future[None]] = []
            tasks = [
                partial(self._walk, judging, judged, number, scenario, run)
                for number, (scenario, run) in enumerate(zip(self.scenarios, runs, strict=True), start=1)
            ]
            run_at_once(tasks, self.settings.jobs)
            for future in judged:
                future.result()

    def _walk(
        self, judging: ThreadPoolExecutor, judged: list[Future[None]], number: int, scenario: Scenario, run: int
    ) -> None:
        if self.errors and not self.served:
            return
        watcher = self.audience.begin(scenario.name, number, len(self.scenarios))
        rehearsal = Rehearsal(scenario, self.settings, self.folder.path / scenario.name, run, watcher)
        try:
            walk(rehearsal)
        except UsageError as why:
            self._failed(scenario.name, why)
            return
        finally:
            self.served = self.served or bool(rehearsal.environment)
        future = judging.submit(self._finish, rehearsal)
        judged.append(future)
        if self.settings.ports:
            future.result()  # the next one needs the ports

    def _finish(self, rehearsal: Rehearsal) -> None:
        name = rehearsal.scenario.name
        try:
            report = rehearsal.finish()
        except UsageError as why:
            self._failed(name, why)
            return
        self.reports[name] = report
        self.folder.add(name, rehearsal.environment, rehearsal.target_kind)
        self.audience.ended(name, report.verdict.outcome)

    def _failed(self, name: str, why: UsageError) -> None:
        self.errors[name] = why
        self.folder.add_error(name, why)
        self.audience.ended(name, "not rehearsed")


def walk(rehearsal: Rehearsal) -> None:
    """Walk the path; UsageError as in `Rehearsal.walk`.

    An interruption stays one where its clean-up complains, about apps that were ended, say.
    """
    try:
        rehearsal.walk()
    except UsageError as why:
        cause: BaseException | None = why
        while cause is not None and not isinstance(cause, KeyboardInterrupt):
            cause = cause.__context__
        if cause is not None:
            raise KeyboardInterrupt from why
        raise
