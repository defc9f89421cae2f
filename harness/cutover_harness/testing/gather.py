"""The report of a pytest session: what its processes rehearsed, in one run folder."""

from __future__ import annotations

from typing import Any

import pytest

from cutover_harness.errors import UsageError
from cutover_harness.rehearsal.folder import RunFolder, write_report
from cutover_harness.rehearsal.settings import Settings


class Gatherer:
    """Claims the folder, takes what the reports of tests bring, and writes the report at the end.

    Raises UsageError where the folder or the capture cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = RunFolder(settings, ())
        self._told: list[tuple[str, dict[str, Any]]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what was rehearsed in a test, in whichever process that was."""
        self._told += [(report.nodeid, told) for told in getattr(report, "cutover", [])]

    def pytest_sessionfinish(self) -> None:
        """Write what was gathered, by test file, whatever ended first."""
        judged = 0
        for _, told in sorted(self._told, key=lambda pair: (pair[0].split("::")[0], pair[1]["scenario"])):
            if told["error"] is None:
                self._folder.add(told["scenario"], told["environment"], told["target_kind"])
                judged += 1
            else:
                self._folder.add_error(told["scenario"], UsageError(told["error"]))
        self._folder.finish()
        if judged:
            write_report(self._folder.path)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where the report is."""
        if (self._folder.path / "report.html").exists():
            terminalreporter.write_line(f"kafka-cutover report: {self._folder.path / 'report.html'}")
