"""The run folder of a rehearsal of one or several scenarios, and the report in it."""

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
from cutover_harness.errors import UsageError
from cutover_harness.explore.explored import NAME as EXPLORED
from cutover_harness.files import write_atomic
from cutover_harness.inputs import read_text_input
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.claim import APPLIED_POLICY, FACTS, claim
from cutover_harness.rehearsal.replay_input import capture_facts
from cutover_harness.rehearsal.settings import Settings


class RunFolder:
    """`settings.out`, claimed, with `rehearsal.json`: the requested scenarios, their results, and the environment.

    Every requested scenario is listed from the beginning, so that a report misses one that is not rehearsed, however
    the rehearsal ends. Methods may be called from any thread. Raises UsageError if the folder or the capture cannot be
    used.
    """

    def __init__(self, settings: Settings, asked: Iterable[Scenario] = ()) -> None:
        plan = settings.plan
        capture = capture_facts(settings)
        policy = None if settings.policy is None else read_text_input(settings.policy, "policy")
        explored = None if settings.explored is None else read_text_input(settings.explored, "result file")
        self._claim = claim(settings.out, replace=settings.replace)
        runs.begin("rehearse", settings.out)
        self.path = settings.out
        self.notice = self._claim.notice
        self._lock = threading.Lock()
        self._facts: dict[str, Any] = {
            "format": 1,
            "started": _now(),
            "finished": None,
            "command": settings.command,
            "seed": settings.seed,
            # Timings get longer if scenarios run in parallel.
            "jobs": settings.jobs,
            "versions": {"kafka-cutover": version("kafka-cutover"), "confluent-kafka": version("confluent-kafka")},
            "environment": {"host": _host()},
            "target_kind": None,
            "capture": capture,
            **({} if plan is None else {"plan": dict(plan.facts)}),
            **({} if settings.policy is None else {"policy": settings.policy.name}),
            "scenarios": [],
            "asked": {},
            "not_rehearsed": {},
        }
        for scenario in asked:
            self._announce(scenario.name, _about(scenario))
        if policy is not None:
            # A copy, so that the report can be written again when the file has changed, or is not at hand.
            write_atomic(self.path / APPLIED_POLICY, policy)
        if explored is not None:
            write_atomic(self.path / EXPLORED, explored)
        self.save()  # marks the folder as a rehearsal's, however this one ends

    def _announce(self, name: str, about: Mapping[str, Any]) -> None:
        self._facts["scenarios"].append(name)
        self._facts["asked"][name] = dict(about)

    def add(self, scenario: str, environment: Mapping[str, str], target_kind: str) -> None:
        """Add a scenario that was judged."""
        with self._lock:
            before, now = self._facts["environment"].get("testbed", ""), environment.get("testbed", "")
            self._facts["environment"] |= environment
            if before and now not in before:  # scenarios with different numbers of brokers
                self._facts["environment"]["testbed"] = f"{before}; {now}"
            elif before:
                self._facts["environment"]["testbed"] = before
            self._facts["target_kind"] = target_kind
            self._facts["not_rehearsed"].pop(scenario, None)
            self._list(scenario)

    def add_error(self, scenario: str, why: str) -> None:
        """Add a scenario that was not rehearsed, and the reason, so that a report lists it as missing."""
        with self._lock:
            self._facts["not_rehearsed"][scenario] = why
            self._list(scenario)

    def _list(self, scenario: str) -> None:
        """Keep the order that was announced; what was not announced comes last."""
        if scenario not in self._facts["scenarios"]:
            self._facts["scenarios"].append(scenario)
        self._write()

    def finish(self) -> None:
        """Record that everything was done."""
        with self._lock:
            self._facts["finished"] = _now()
            self._write()

    def save(self) -> None:
        """Write `rehearsal.json`."""
        with self._lock:
            self._write()

    def release(self) -> None:
        """Release the folder for another rehearsal."""
        self._claim.release()

    def _write(self) -> None:
        try:
            write_atomic(self.path / FACTS, json.dumps(self._facts, indent=2))
        except OSError as why:
            raise UsageError(f"{self.path / FACTS}: cannot be written: {why.strerror or why}") from None


@dataclass(frozen=True)
class Decision:
    """The report's decision on the cutover, in a word and in a sentence."""

    word: str
    headline: str

    @property
    def blocks(self) -> bool:
        """Whether it is a NO-GO."""
        return self.word == "NO-GO"


def write_report(out: Path) -> Decision | None:
    """Render the run folder `out` with the installed report package; return the decision, None without a package.

    Raises UsageError if its policy is not valid or the report cannot be written.
    """
    for entry in entry_points(group="kafka_cutover.report", name="default"):
        report = entry.load()(out)
        return Decision(report.decision, report.headline)
    return None


def _about(scenario: Scenario) -> dict[str, Any]:
    """Return the description that a report shows of a scenario without evidence."""
    return {
        "title": scenario.title,
        "path": [str(step.step) for step in scenario.path],
        "faults": [fault.name for fault in scenario.faults],
        "must_fail": list(scenario.expect.must_fail),
        "documented": scenario.documented,
    }


def _host() -> str:
    memory = psutil.virtual_memory().total / 2**30
    machine = f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} CPUs, {memory:.0f} GiB"
    return f"{machine}, Python {platform.python_version()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
