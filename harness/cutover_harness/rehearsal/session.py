"""Several scenarios one after the other, and the folder that they leave."""

from __future__ import annotations

import json
import platform
import random
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import psutil

from cutover_harness.capture.format import CaptureReader
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Report
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.run import Rehearsal, Watcher
from cutover_harness.rehearsal.settings import Settings

FACTS = "rehearsal.json"


def rehearse_all(
    scenarios: Sequence[Scenario], settings: Settings, observer: Watcher, begin: Callable[[str, int, int], None]
) -> dict[str, Report]:
    """Rehearse `scenarios` and write the report; return the reports by scenario.

    `begin` is called with name, number and total before each. What was done before an interruption is reported too.
    Raises UsageError where the output folder or the capture cannot be used.
    """
    _claim(settings.out)
    numbers = random.Random(settings.seed)  # noqa: S311 - marks records apart, keeps no secret
    facts: dict[str, Any] = {
        "format": 1,
        "started": _now(),
        "finished": None,
        "command": settings.command,
        "seed": settings.seed,
        "versions": {"kafka-cutover": version("kafka-cutover"), "confluent-kafka": version("confluent-kafka")},
        "environment": {"host": _host()},
        "target_kind": None,
        "capture": _capture(settings.capture),
        "scenarios": [],
    }
    reports: dict[str, Report] = {}

    def finish(rehearsal: Rehearsal) -> None:
        reports[rehearsal.scenario.name] = rehearsal.finish()
        facts["environment"] |= rehearsal.environment
        facts["target_kind"] = rehearsal.target_kind
        facts["scenarios"] = list(reports)
        _save(settings.out, facts)

    try:
        # One scenario is judged while the next one starts its brokers: nothing is measured in either at that time.
        with ThreadPoolExecutor(max_workers=1) as judging:
            judged = []
            for number, scenario in enumerate(scenarios, start=1):
                begin(scenario.name, number, len(scenarios))
                folder = settings.out / scenario.name
                rehearsal = Rehearsal(scenario, settings, folder, numbers.getrandbits(63), observer)
                rehearsal.walk()
                judged.append(judging.submit(finish, rehearsal))
            for future in judged:
                future.result()
        facts["finished"] = _now()
    finally:
        _save(settings.out, facts)
        if reports:
            write_report(settings.out)
    return reports


def write_report(out: Path) -> None:
    """Have the installed report package render the run folder `out`."""
    for entry in entry_points(group="kafka_cutover.report", name="default"):
        entry.load()(out)


def _claim(out: Path) -> None:
    """Make sure that `out` is ours to write: absent, empty, or an earlier run's folder, whose scenarios are removed."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is a file; give a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / FACTS).exists():
        raise UsageError(f"--out {out}: is not empty and not an earlier rehearsal's; give another folder")
    if (out / FACTS).exists():
        for run in out.glob("*/cutover.toml"):
            shutil.rmtree(run.parent)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise UsageError(f"--out {out}: cannot be made: {why.strerror}") from None


def _capture(path: Path) -> dict[str, Any]:
    with CaptureReader(path) as capture:
        low, high = capture.span_ms()
        return {
            "name": path.name,
            "records": capture.records,
            "topics": len(capture.info.topics),
            "span_s": (high - low) / 1000,
        }


def _host() -> str:
    memory = psutil.virtual_memory().total / 2**30
    machine = f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} CPUs, {memory:.0f} GiB"
    return f"{machine}, Python {platform.python_version()}"


def _save(out: Path, facts: dict[str, Any]) -> None:
    (out / FACTS).write_text(json.dumps(facts, indent=2), encoding="utf-8")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
