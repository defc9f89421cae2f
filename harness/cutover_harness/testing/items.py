"""Scenario files as tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cutover_harness.errors import UsageError
from cutover_harness.judge.totals import totals
from cutover_harness.plan.load import parse
from cutover_harness.plan.scenario import Scenario
from cutover_harness.testing.explain import headline, shown
from cutover_harness.testing.results import Result
from cutover_harness.testing.session import rehearser


class NotPassedError(Exception):
    """A scenario whose verdict is not PASS."""

    def __init__(self, result: Result) -> None:
        super().__init__(headline(result.verdict))
        self.result = result


class ScenarioFile(pytest.File):
    """A scenario file: one test."""

    def collect(self) -> Iterator[pytest.Item]:
        """Read it; an invalid file is a collection error of one line."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise self.CollectError(f"{_near(self.path)}: not UTF-8 text") from None
        try:
            scenario = parse(text, _near(self.path))
        except UsageError as why:
            raise self.CollectError(str(why)) from None
        yield ScenarioItem.from_parent(self, name=scenario.name, scenario=scenario)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ARG002
        """Show the line."""
        if isinstance(excinfo.value, self.CollectError):
            line = str(excinfo.value)
            return shown(line, line, self.path)
        return super().repr_failure(excinfo)


class ScenarioItem(pytest.Item):
    """A scenario that is rehearsed on a testbed of its own and has to PASS."""

    def __init__(self, *, scenario: Scenario, **given: Any) -> None:
        super().__init__(**given)
        self.scenario = scenario

    def runtest(self) -> None:
        """Rehearse it. Raises NotPassedError, or UsageError if the environment is not fit."""
        result = rehearser(self.config).rehearse(self.scenario, asserted=True)
        self.user_properties += _properties(result)
        if result.verdict.outcome != "PASS":
            raise NotPassedError(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show verdict, reasons and records, or the environment's error."""
        if isinstance(excinfo.value, NotPassedError):
            return shown(str(excinfo.value.result), str(excinfo.value), self.path)
        if isinstance(excinfo.value, UsageError):
            text = f"not rehearsed: {excinfo.value}"
            return shown(text, text.splitlines()[0], self.path)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return file, line and heading."""
        return self.path, None, f"{_near(self.path)}: {self.name}"


def _properties(result: Result) -> list[tuple[str, object]]:
    """Return the properties of the test for JUnit."""
    found = totals(result.judgement)
    return [
        ("verdict", result.verdict.outcome),
        ("lost", "unknown" if found.lost is None else found.lost),
        ("destroyed on purpose", found.destroyed),
        ("reordered", found.reordered),
        ("duplicated", found.duplicated_total),
        ("run folder", str(result.folder)),
    ]


def _near(path: Path) -> str:
    return os.path.relpath(path)
