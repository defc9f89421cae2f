"""The folder that a rehearsal of one or several scenarios leaves, and the report in it."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import psutil

from cutover_harness.capture.clock import clock_of
from cutover_harness.capture.format import CaptureReader
from cutover_harness.errors import UsageError
from cutover_harness.plan.topic_names import problem
from cutover_harness.rehearsal.settings import Settings

FACTS = "rehearsal.json"


class RunFolder:
    """`settings.out`, claimed: `rehearsal.json` in it says what was rehearsed, on what, and how many at once.

    Raises UsageError where the folder or the capture cannot be used.
    """

    def __init__(self, settings: Settings, scenarios: Iterable[str]) -> None:
        claim(settings.out)
        self.path = settings.out
        self._order = list(scenarios)
        self._facts: dict[str, Any] = {
            "format": 1,
            "started": _now(),
            "finished": None,
            "command": settings.command,
            "seed": settings.seed,
            # Figures that were measured side by side are disturbed.
            "jobs": settings.jobs,
            "versions": {"kafka-cutover": version("kafka-cutover"), "confluent-kafka": version("confluent-kafka")},
            "environment": {"host": _host()},
            "target_kind": None,
            "capture": _capture(settings.capture),
            "scenarios": [],
            "errors": {},
        }
        self.save()  # from now on it is known as a rehearsal's, however this one ends

    def add(self, scenario: str, environment: dict[str, str], target_kind: str) -> None:
        """Add a scenario that was judged."""
        self._facts["environment"] |= environment
        self._facts["target_kind"] = target_kind
        self._list(scenario)

    def add_error(self, scenario: str, why: UsageError) -> None:
        """Add a scenario that could not be rehearsed: a report has to miss it."""
        self._facts["errors"][scenario] = str(why)
        self._list(scenario)

    def _list(self, scenario: str) -> None:
        """Keep the order that was announced, whatever ended first; what was not announced comes last."""
        ranks = {name: rank for rank, name in enumerate(self._order)}
        names = [*self._facts["scenarios"], scenario]
        self._facts["scenarios"] = sorted(names, key=lambda name: ranks.get(name, len(ranks)))
        self.save()

    def finish(self) -> None:
        """Say that everything was done."""
        self._facts["finished"] = _now()
        self.save()

    def save(self) -> None:
        """Write `rehearsal.json`."""
        (self.path / FACTS).write_text(json.dumps(self._facts, indent=2), encoding="utf-8")


def write_report(out: Path) -> None:
    """Have the installed report package render the run folder `out`."""
    for entry in entry_points(group="kafka_cutover.report", name="default"):
        entry.load()(out)


def claim(out: Path) -> None:
    """Make sure that `out` is ours to write: absent, empty, or an earlier run's folder, whose scenarios are removed.

    Raises UsageError.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is a file; give a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / FACTS).exists():
        raise UsageError(f"--out {out}: is not empty and not an earlier rehearsal's; give another folder")
    if (out / FACTS).exists():
        for folder in filter(_is_run, out.iterdir()):
            shutil.rmtree(folder)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise UsageError(f"--out {out}: cannot be made: {why.strerror}") from None


def _is_run(folder: Path) -> bool:
    """Whether a rehearsal left this, however early it ended."""
    if not folder.is_dir() or folder.is_symlink():
        return False
    content = {path.name for path in folder.iterdir()}
    return "cutover.toml" in content or content <= {"logs", "testbed", "traffic.parquet"}


def _capture(path: Path) -> dict[str, Any]:
    with CaptureReader(path) as capture:
        clock = clock_of(capture)
        warning = clock.warning()
        if (why := problem(capture.info.topics)) is not None:
            raise UsageError(f"capture {path}: {why}")
        return {
            "name": path.name,
            "records": capture.records,
            "topics": len(capture.info.topics),
            "span_s": clock.span_s,
            **({} if warning is None else {"timestamps": warning}),
        }


def _host() -> str:
    memory = psutil.virtual_memory().total / 2**30
    machine = f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} CPUs, {memory:.0f} GiB"
    return f"{machine}, Python {platform.python_version()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
