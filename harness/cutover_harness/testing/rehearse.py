"""Rehearsing one scenario within a pytest process."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cutover_scenarios import sample_capture
from rich.console import Console

from cutover_harness.cli.progress import Progress
from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.plan.scenario import Scenario
from cutover_harness.privacy import private_files
from cutover_harness.rehearsal.run import Rehearsal
from cutover_harness.rehearsal.session import ENVIRONMENT, run_rehearsal
from cutover_harness.rehearsal.settings import Settings
from cutover_harness.testing.given import scenario_of
from cutover_harness.testing.results import Rehearsed, Result


@dataclass
class Rehearser:
    """Rehearses below `out`, or in pytest's temporary folders. fresh: rehearsals not attached to a report yet."""

    config: pytest.Config
    out: Path | None
    capture: Path
    speed: float | None
    seed: int
    fresh: list[Rehearsed] = field(default_factory=list)

    @classmethod
    def of(cls, config: pytest.Config, seed: int) -> Rehearser:
        """Return a rehearser with the options of the session."""
        base = config.invocation_params.dir
        out, capture = config.getoption("cutover_out"), config.getoption("cutover_capture")
        return cls(
            config=config,
            out=None if out is None else base / out,
            capture=sample_capture() if capture is None else base / capture,
            speed=config.getoption("cutover_speed"),
            seed=seed,
        )

    def settings(self, *, command: str = "pytest", jobs: int = 1) -> Settings:
        """Return the settings of the session."""
        out = self.out or Path()  # each rehearsal has its folder from `_folder`
        return Settings(out=out, capture=self.capture, command=command, seed=self.seed, speed=self.speed, jobs=jobs)

    def rehearse(
        self,
        scenario: Scenario | str | Path | Mapping[str, Any],
        *,
        capture: Path | None = None,
        speed: float | None = None,
        asserted: bool = False,
    ) -> Result:
        """Rehearse and judge; `asserted` as in Rehearsed. Raises UsageError."""
        chosen = scenario_of(scenario)
        settings = self.settings()
        settings = replace(settings, capture=capture or settings.capture, speed=speed or settings.speed)
        folder = self._folder(chosen.name)
        # A number of its own for each, the same if the seed is the same.
        number = random.Random(f"{self.seed}/{folder.name}").getrandbits(63)  # noqa: S311 - keeps no secret
        with private_files(), Progress(Console(file=sys.stderr, force_terminal=False, highlight=False)) as progress:
            rehearsal = Rehearsal(chosen, settings, folder, number, progress.begin(chosen.name, 1, 1))
            try:
                run_rehearsal(rehearsal)
                report = rehearsal.finish()
            except ENVIRONMENT as why:
                self.fresh.append(Rehearsed(folder.name, text="", asserted=asserted, error=in_one_line(why)))
                raise UsageError(in_one_line(why)) from why
        result = Result(chosen, folder, report.verdict, report.judgement, rehearsal.facts)
        outcome = report.verdict.outcome
        done = Rehearsed(folder.name, str(result), asserted, outcome, rehearsal.environment, rehearsal.target_kind)
        self.fresh.append(done)
        return result

    def _folder(self, name: str) -> Path:
        """Create a folder that no other rehearsal of the session has, in any of its processes."""
        if self.out is None:
            # As the fixture tmp_path_factory does; an item has no fixtures.
            factory: pytest.TempPathFactory = self.config._tmp_path_factory  # type: ignore[attr-defined]  # noqa: SLF001
            return factory.mktemp(name)
        for number in itertools.count(1):
            folder = self.out / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            return folder
        raise AssertionError  # pragma: no cover - the count does not end
