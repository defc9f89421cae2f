"""The report of a pytest session: the rehearsals of all its processes, in one run folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

import pytest

from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.rehearsal.folder import Decision, RunFolder, write_report
from cutover_harness.rehearsal.settings import Settings


class Gatherer:
    """Claims the folder, collects rehearsals from the reports of tests, and writes the risk report at the end.

    Raises UsageError if the folder or the capture cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = RunFolder(settings)
        self._rehearsed: list[tuple[str, dict[str, Any]]] = []
        self._asked: set[str] = set()
        self._decision: Decision | None = None
        self._why_not: str | None = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which scenarios are to be rehearsed."""
        self._ask(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Note the same for a worker; with xdist, the main process collects no tests."""
        self._ask(ids)

    def _ask(self, ids: Iterable[str]) -> None:
        self._asked |= {nodeid for nodeid in ids if _file(nodeid).suffix in (".yaml", ".yml")}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the rehearsals of a test, from the process that ran it."""
        self._rehearsed += [(report.nodeid, each) for each in getattr(report, "cutover", [])]

    def pytest_sessionfinish(self) -> None:
        """Write the rehearsals by test file, whichever ended first; tests that did not run are listed."""
        try:
            self._write()
        except (UsageError, OSError) as why:
            self._why_not = in_one_line(why)
        self._folder.release()

    def _write(self) -> None:
        for _, each in sorted(self._rehearsed, key=lambda pair: (str(_file(pair[0])), pair[1]["scenario"])):
            if each["error"] is None:
                self._folder.add(each["scenario"], each["environment"], each["target_kind"])
            else:
                self._folder.add_error(each["scenario"], each["error"])
        for nodeid in sorted(self._asked - {nodeid for nodeid, _ in self._rehearsed}):
            self._folder.add_error(nodeid.rpartition("::")[2], "the session ended before it, or its process died")
        self._folder.finish()
        if self._rehearsed or self._asked:
            self._decision = write_report(self._folder.path)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the report's decision and its path."""
        if self._folder.notice:
            terminalreporter.write_line(f"kafka-cutover: {self._folder.notice}")
        if self._decision is not None:
            terminalreporter.write_line(f"kafka-cutover: {self._decision.word}: {self._decision.headline}")
            terminalreporter.write_line(f"kafka-cutover report: {self._folder.path / 'report.html'}")
        if self._why_not is not None:
            terminalreporter.write_line(f"kafka-cutover report: not written: {self._why_not}")


def _file(nodeid: str) -> PurePath:
    return PurePath(nodeid.split("::", maxsplit=1)[0])
