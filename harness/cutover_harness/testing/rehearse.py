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
from pydantic import ValidationError
from rich.console import Console

from cutover_harness.cli.progress import Progress
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Judgement, RunFacts, Verdict
from cutover_harness.plan.load import find
from cutover_harness.plan.scenario import Scenario
from cutover_harness.privacy import private_files
from cutover_harness.rehearsal.run import Rehearsal
from cutover_harness.rehearsal.session import walk
from cutover_harness.rehearsal.settings import Settings
from cutover_harness.testing.explain import explain


@dataclass(frozen=True)
class Result:
    """What came of a rehearsal: `verdict` and `judgement` as in `folder`/verdict.json, `facts` as in run.json."""

    scenario: Scenario
    folder: Path
    verdict: Verdict
    judgement: Judgement
    facts: RunFacts

    def __str__(self) -> str:
        """Return the verdict, its reasons and the first offending records."""
        return explain(self.scenario, self.verdict, self.judgement, self.folder)

    def __repr__(self) -> str:
        """Return the verdict in one line: what an assertion shows."""
        reasons = "; ".join(self.verdict.reasons)
        return f"<{self.verdict.outcome} {self.scenario.name}{': ' if reasons else ''}{reasons}>"


@dataclass(frozen=True)
class Told:
    """What a report is told of a rehearsal. `scenario` is the name of its folder, unique within the session.

    `asserted`: the test is the scenario, and fails unless the outcome is PASS.
    """

    scenario: str
    text: str
    asserted: bool
    outcome: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    target_kind: str = ""
    error: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return what the session's report needs."""
        return {
            "scenario": self.scenario,
            "asserted": self.asserted,
            "outcome": self.outcome,
            "environment": self.environment,
            "target_kind": self.target_kind,
            "error": self.error,
        }


@dataclass
class Rehearser:
    """Rehearses below `out`, or where pytest keeps folders for some runs. `fresh`: not attached to a report yet."""

    config: pytest.Config
    out: Path | None
    capture: Path
    speed: float | None
    seed: int
    fresh: list[Told] = field(default_factory=list)

    @classmethod
    def of(cls, config: pytest.Config, seed: int) -> Rehearser:
        """Return what the options ask for."""
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
        """Rehearse and judge; `asserted` as in Told. Raises UsageError."""
        chosen = _scenario(scenario)
        settings = self.settings()
        settings = replace(settings, capture=capture or settings.capture, speed=speed or settings.speed)
        folder = self._folder(chosen.name)
        # Its own number for each, the same again with the same seed.
        run = random.Random(f"{self.seed}/{folder.name}").getrandbits(63)  # noqa: S311 - keeps no secret
        with private_files(), Progress(Console(file=sys.stderr, force_terminal=False, highlight=False)) as progress:
            rehearsal = Rehearsal(chosen, settings, folder, run, progress.begin(chosen.name, 1, 1))
            try:
                walk(rehearsal)
                report = rehearsal.finish()
            except UsageError as why:
                self.fresh.append(Told(folder.name, text="", asserted=asserted, error=str(why)))
                raise
        result = Result(chosen, folder, report.verdict, report.judgement, rehearsal.facts)
        outcome = report.verdict.outcome
        told = Told(folder.name, str(result), asserted, outcome, rehearsal.environment, rehearsal.target_kind)
        self.fresh.append(told)
        return result

    def _folder(self, name: str) -> Path:
        """Make a folder that no other rehearsal of the session has, whichever of its processes asks."""
        if self.out is None:
            # What the fixture tmp_path_factory gives, and an item, which has no fixtures, cannot have otherwise.
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


def _scenario(given: Scenario | str | Path | Mapping[str, Any]) -> Scenario:
    if isinstance(given, Scenario):
        return given
    if isinstance(given, Path):
        return find(str(given if given.is_absolute() else Path.cwd() / given))
    if isinstance(given, str):
        return find(given)
    try:
        return Scenario.model_validate(given)
    except ValidationError as errors:
        first = errors.errors()[0]
        field_name = ".".join(str(part) for part in first["loc"]) or "scenario"
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"the scenario given to rehearse: {field_name}: {message}") from None
