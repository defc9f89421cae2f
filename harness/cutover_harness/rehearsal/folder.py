"""The folder that a rehearsal of one or several scenarios leaves, and the report in it."""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import psutil

from cutover_harness import runs
from cutover_harness.capture.clock import clock_of
from cutover_harness.capture.format import CaptureReader
from cutover_harness.errors import UsageError
from cutover_harness.plan.scenario import Scenario
from cutover_harness.plan.topic_names import problem
from cutover_harness.rehearsal.claim import FACTS, claim
from cutover_harness.rehearsal.settings import Settings


class RunFolder:
    """`settings.out`, claimed: `rehearsal.json` in it says what was asked for, what came of it, and on what it ran.

    It lists every scenario that was asked for from the beginning, so that one that is not rehearsed is missed whatever
    ends the rehearsal. Its methods may be called from any thread. Raises UsageError where the folder or the capture
    cannot be used.
    """

    def __init__(self, settings: Settings, asked: Iterable[Scenario] = ()) -> None:
        capture = _capture(settings.capture)
        self._claim = claim(settings.out, replace=settings.replace)
        runs.begin("rehearse", settings.out)
        self.path = settings.out
        self.said = self._claim.said
        self._lock = threading.Lock()
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
            "capture": capture,
            "scenarios": [],
            "asked": {},
            "not_rehearsed": {},
        }
        for scenario in asked:
            self._announce(scenario.name, _about(scenario))
        self.save()  # from now on it is known as a rehearsal's, however this one ends

    def _announce(self, name: str, about: Mapping[str, Any]) -> None:
        self._facts["scenarios"].append(name)
        self._facts["asked"][name] = dict(about)

    def add(self, scenario: str, environment: Mapping[str, str], target_kind: str) -> None:
        """Add a scenario that was judged."""
        with self._lock:
            self._facts["environment"] |= environment
            self._facts["target_kind"] = target_kind
            self._facts["not_rehearsed"].pop(scenario, None)
            self._list(scenario)

    def add_error(self, scenario: str, why: str) -> None:
        """Add a scenario that was not rehearsed, and why: a report has to miss it."""
        with self._lock:
            self._facts["not_rehearsed"][scenario] = why
            self._list(scenario)

    def _list(self, scenario: str) -> None:
        """Keep the order that was announced; what was not announced comes last."""
        if scenario not in self._facts["scenarios"]:
            self._facts["scenarios"].append(scenario)
        self._write()

    def finish(self) -> None:
        """Say that everything was done."""
        with self._lock:
            self._facts["finished"] = _now()
            self._write()

    def save(self) -> None:
        """Write `rehearsal.json`."""
        with self._lock:
            self._write()

    def release(self) -> None:
        """Let another rehearsal have the folder."""
        self._claim.release()

    def _write(self) -> None:
        # In one step: a rehearsal that is killed leaves the file whole.
        temporary = self.path / f".{FACTS}.tmp"
        try:
            temporary.write_text(json.dumps(self._facts, indent=2), encoding="utf-8")
            temporary.replace(self.path / FACTS)
        except OSError as why:
            raise UsageError(f"{self.path / FACTS}: cannot be written: {why.strerror or why}") from None


@dataclass(frozen=True)
class Decision:
    """What the report decides on the cutover, in a word and in a sentence."""

    word: str
    headline: str

    @property
    def blocks(self) -> bool:
        """Whether it is a no."""
        return self.word == "NO-GO"


def write_report(out: Path) -> Decision | None:
    """Have the installed report package render the run folder `out`; return what it decides, None without a package.

    Raises UsageError where its policy is not valid or the report cannot be written.
    """
    for entry in entry_points(group="kafka_cutover.report", name="default"):
        report = entry.load()(out)
        return Decision(report.decision, report.headline)
    return None


def _about(scenario: Scenario) -> dict[str, Any]:
    """Return what a report says of a scenario that it has no evidence of."""
    return {
        "title": scenario.title,
        "path": [str(step.act) for step in scenario.path],
        "faults": [f"{fault.kind} {fault.of}" for fault in scenario.faults],
        "must_fail": list(scenario.expect.must_fail),
        "documented": scenario.documented,
    }


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
