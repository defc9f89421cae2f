"""The report of a pytest session: what its processes rehearsed, in one run folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

import pytest

from cutover_harness.errors import UsageError
from cutover_harness.rehearsal.folder import Decision, RunFolder, write_report
from cutover_harness.rehearsal.settings import Settings


class Gatherer:
    """Claims the folder, takes what the reports of tests bring, and writes the report at the end.

    Raises UsageError where the folder or the capture cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = RunFolder(settings)
        self._told: list[tuple[str, dict[str, Any]]] = []
        self._asked: set[str] = set()
        self._decision: Decision | None = None
        self._why_not: str | None = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which scenarios are to be rehearsed."""
        self._ask(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Note the same of a worker: the process that gathers collects nothing then."""
        self._ask(ids)

    def _ask(self, ids: Iterable[str]) -> None:
        self._asked |= {nodeid for nodeid in ids if _file(nodeid).suffix in (".yaml", ".yml")}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what was rehearsed in a test, in whichever process that was."""
        self._told += [(report.nodeid, told) for told in getattr(report, "cutover", [])]

    def pytest_sessionfinish(self) -> None:
        """Write what was gathered, by test file, whatever ended first; what was asked for and did not run is named."""
        for _, told in sorted(self._told, key=lambda pair: (str(_file(pair[0])), pair[1]["scenario"])):
            if told["error"] is None:
                self._folder.add(told["scenario"], told["environment"], told["target_kind"])
            else:
                self._folder.add_error(told["scenario"], told["error"])
        for nodeid in sorted(self._asked - {nodeid for nodeid, _ in self._told}):
            self._folder.add_error(nodeid.rpartition("::")[2], "the session ended before it, or its process died")
        self._folder.finish()
        if self._told or self._asked:
            try:
                self._decision = write_report(self._folder.path)
            except UsageError as why:
                self._why_not = str(why)
        self._folder.release()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what the report decides and where it is."""
        if self._folder.said:
            terminalreporter.write_line(f"kafka-cutover: {self._folder.said}")
        if self._decision is not None:
            terminalreporter.write_line(f"kafka-cutover: {self._decision.word}: {self._decision.headline}")
            terminalreporter.write_line(f"kafka-cutover report: {self._folder.path / 'report.html'}")
        if self._why_not is not None:
            terminalreporter.write_line(f"kafka-cutover report: not written: {self._why_not}")


def _file(nodeid: str) -> PurePath:
    return PurePath(nodeid.split("::", maxsplit=1)[0])
