"""A session of several scenarios: what is kept of it when some cannot be rehearsed. No broker: `walk` is replaced."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cutover_harness.cli.rehearse import code_of
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Judgement, Report, RunFacts, Verdict
from cutover_harness.plan.load import find
from cutover_harness.rehearsal import session
from cutover_harness.rehearsal.folder import Decision
from cutover_harness.rehearsal.run import Rehearsal
from cutover_harness.rehearsal.session import Rehearsed, rehearse_all
from cutover_harness.rehearsal.settings import Settings
from cutover_scenarios import sample_capture

NAMES = ("stop-first", "rollback-from-1", "rollback-from-2", "producers-first")


class Silent:
    """An audience that notes what it is told of."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.outcomes: dict[str, str] = {}

        self.notes: list[str] = []
        self.lines: list[str] = []

    def said(self, text: str) -> None:
        self.lines.append(text)

    def begin(self, name: str, number: int, total: int) -> Any:
        self.begun.append(name)
        return SimpleNamespace(note=self.notes.append)

    def ended(self, name: str, outcome: str) -> None:
        self.outcomes[name] = outcome


class World:
    """What happens to the scenarios: an error instead of a testbed, or after it, or a defect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, out: Path) -> None:
        self.out = out
        self.no_testbed: dict[str, int] = {}
        self.starts: Counter[str] = Counter()
        self.defective: dict[str, BaseException] = {}
        self.unjudged: set[str] = set()
        self.broken: set[str] = set()
        self.waits_for: dict[str, threading.Event] = {}
        self.ended: dict[str, threading.Event] = {name: threading.Event() for name in NAMES}
        self.runs: dict[str, int] = {}
        self.audience = Silent()
        monkeypatch.setattr(Rehearsal, "walk", lambda rehearsal: self._walk(rehearsal))  # noqa: PLW0108 - binds
        monkeypatch.setattr(Rehearsal, "finish", lambda rehearsal: self._finish(rehearsal))  # noqa: PLW0108 - binds
        monkeypatch.setattr(session, "write_report", self._report)

    def _walk(self, rehearsal: Rehearsal) -> None:
        name = rehearsal.scenario.name
        self.runs[name] = rehearsal.run
        if name in self.waits_for:
            assert self.waits_for[name].wait(10)
        self.starts[name] += 1
        (rehearsal.folder / "logs").mkdir(parents=True)
        if self.starts[name] <= self.no_testbed.get(name, 0):
            raise UsageError("no testbed")
        rehearsal.environment = {"source": "Apache Kafka"}
        if name in self.broken:
            raise UsageError("the environment broke")
        if name in self.defective:
            raise self.defective[name]

    def _report(self, out: Path) -> Decision:
        (out / "report.html").touch()
        return Decision("GO", "fine")

    def _finish(self, rehearsal: Rehearsal) -> Report:
        name = rehearsal.scenario.name
        rehearsal.folder.mkdir(parents=True, exist_ok=True)
        if name in self.unjudged:
            raise MemoryError
        RunFacts(run=rehearsal.run, scenario=name).save(rehearsal.folder / "run.json")
        self.ended[name].set()
        return Report(verdict=Verdict("PASS"), judgement=Judgement(run=rehearsal.run))

    def rehearse(self, *names: str, jobs: int = 1, seed: int = 7) -> Rehearsed:
        settings = Settings(out=self.out, capture=sample_capture(), command="x", seed=seed, jobs=jobs)
        return rehearse_all([find(name) for name in names], settings, self.audience)

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.out / "rehearsal.json").read_text(encoding="utf-8"))
        return facts


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return World(monkeypatch, tmp_path / "out")


def test_results_are_in_the_order_of_the_scenarios_whatever_ends_first(world: World) -> None:
    world.waits_for = {"stop-first": world.ended["rollback-from-1"]}
    done = world.rehearse("stop-first", "rollback-from-1", jobs=2)
    assert list(done.reports) == world.facts["scenarios"] == ["stop-first", "rollback-from-1"]
    assert world.facts["jobs"] == 2
    assert world.facts["finished"]


def test_a_seed_gives_a_scenario_the_same_number_whatever_runs_beside_it(world: World) -> None:
    world.rehearse(*NAMES, jobs=1)
    alone = dict(world.runs)
    world.rehearse(*NAMES, jobs=3)
    assert world.runs == alone
    assert len(set(alone.values())) == len(NAMES)
    world.rehearse(*NAMES, jobs=1, seed=8)
    assert world.runs != alone


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_the_environment_ends_its_scenario_alone(world: World, jobs: int) -> None:
    world.broken = {"rollback-from-1"}
    done = world.rehearse(*NAMES, jobs=jobs)
    assert list(done.reports) == ["stop-first", "rollback-from-2", "producers-first"]
    assert done.not_rehearsed == {"rollback-from-1": "the environment broke"}
    # Listed, so that a report misses it.
    assert world.facts["scenarios"] == list(NAMES)
    assert world.facts["not_rehearsed"] == {"rollback-from-1": "the environment broke"}
    assert world.audience.outcomes["rollback-from-1"] == "not rehearsed: the environment broke"
    assert world.starts["rollback-from-1"] == 1  # its testbed was there
    assert (world.out / "report.html").exists()
    assert code_of(done) == 3


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_testbed_that_does_not_start_is_started_once_more(world: World, jobs: int) -> None:
    world.no_testbed = {"stop-first": 1}
    done = world.rehearse(*NAMES, jobs=jobs)
    assert list(done.reports) == list(NAMES)
    assert world.audience.notes == ["the testbed did not start, it is started once more: no testbed"]
    assert (world.out / "stop-first" / "failed_start" / "logs").is_dir()
    assert code_of(done) == 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_first_testbed_that_never_starts_does_not_keep_the_others_from_being_tried(world: World, jobs: int) -> None:
    world.no_testbed = {"stop-first": 2}
    done = world.rehearse(*NAMES, jobs=jobs)
    assert list(done.reports) == list(NAMES[1:])
    assert done.not_rehearsed == {"stop-first": "no testbed"}
    assert code_of(done) == 3


def test_where_no_testbed_comes_up_the_rest_is_not_tried_and_named(world: World) -> None:
    world.no_testbed = dict.fromkeys(NAMES, 9)
    done = world.rehearse(*NAMES)
    assert world.starts == dict.fromkeys(NAMES[:3], 2)
    reasons = dict.fromkeys(NAMES[:3], "no testbed") | {
        NAMES[3]: f"not tried, as the testbeds of {', '.join(NAMES[:3])} did not start"
    }
    assert done.not_rehearsed == world.facts["not_rehearsed"] == reasons
    assert world.facts["scenarios"] == list(NAMES)
    assert (world.out / "report.html").exists()
    assert code_of(done) == 2, "nothing could be rehearsed here"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_defect_ends_its_scenario_alone_and_is_kept(world: World, jobs: int) -> None:
    world.defective = {"rollback-from-1": ZeroDivisionError("by zero")}
    world.unjudged = {"rollback-from-2"}
    done = world.rehearse(*NAMES, jobs=jobs)
    assert list(done.reports) == ["stop-first", "producers-first"]
    assert done.not_rehearsed["rollback-from-1"].startswith("ZeroDivisionError: by zero (a defect; ")
    assert done.not_rehearsed["rollback-from-2"].startswith("walked, but not judged: MemoryError")
    assert "Traceback" in (world.out / "rollback-from-1" / "error.txt").read_text(encoding="utf-8")
    assert world.facts["finished"]
    assert code_of(done) == 3


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("how", "said"),
    [(KeyboardInterrupt(), "was interrupted"), (SystemExit(1), "ended early: SystemExit: 1")],
)
def test_what_ends_the_tool_leaves_a_reason_for_every_scenario(
    world: World, jobs: int, how: BaseException, said: str
) -> None:
    world.defective = {"rollback-from-1": how}
    done = world.rehearse(*NAMES, jobs=jobs)
    assert done.stopped is not None
    assert {**done.reports, **done.not_rehearsed}.keys() == set(NAMES)
    assert done.not_rehearsed["rollback-from-1"] == f"the rehearsal {said} while it ran"
    assert all(why.startswith(f"the rehearsal {said} ") for why in done.not_rehearsed.values())
    assert world.facts["scenarios"] == list(NAMES)
    assert world.facts["not_rehearsed"] == done.not_rehearsed
    assert world.facts["finished"] is None
    assert (world.out / "report.html").exists()


def test_an_interruption_is_one_although_its_clean_up_complains(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(rehearsal: Rehearsal) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise UsageError("producer-1 ended with -15")

    monkeypatch.setattr(Rehearsal, "walk", interrupted)
    assert isinstance(world.rehearse(*NAMES).stopped, KeyboardInterrupt)
    assert set(world.facts["not_rehearsed"]) == set(NAMES)


def test_an_earlier_run_is_announced(world: World) -> None:
    world.rehearse(*NAMES)
    assert world.audience.lines == []
    world.rehearse(*NAMES)
    assert "is kept in" in world.audience.lines[0]


def test_a_no_of_the_report_is_no_success(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "write_report", lambda out: Decision("NO-GO", f"{out}"))
    assert code_of(world.rehearse(*NAMES)) == 1


def test_a_report_that_cannot_be_written_costs_no_result(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(out: Path) -> Decision:
        raise UsageError(f"{out}: policy.toml: not valid TOML")

    monkeypatch.setattr(session, "write_report", fails)
    done = world.rehearse(*NAMES)
    assert list(done.reports) == list(NAMES)
    assert done.decision is None
    assert "policy.toml" in str(done.report_error)
