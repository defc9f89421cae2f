"""A session of several scenarios: what is kept of it when some cannot be rehearsed. No broker: `walk` is replaced."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Judgement, Report, RunFacts, Verdict
from cutover_harness.plan.load import find
from cutover_harness.rehearsal import session
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

    def begin(self, name: str, number: int, total: int) -> Any:
        self.begun.append(name)

    def ended(self, name: str, outcome: str) -> None:
        self.outcomes[name] = outcome


class World:
    """What happens to the scenarios: an error instead of a testbed, or after it, or a defect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, out: Path) -> None:
        self.out = out
        self.no_testbed: set[str] = set()
        self.broken: set[str] = set()
        self.waits_for: dict[str, threading.Event] = {}
        self.ended: dict[str, threading.Event] = {name: threading.Event() for name in NAMES}
        self.runs: dict[str, int] = {}
        self.audience = Silent()
        monkeypatch.setattr(Rehearsal, "walk", lambda rehearsal: self._walk(rehearsal))  # noqa: PLW0108 - binds
        monkeypatch.setattr(Rehearsal, "finish", lambda rehearsal: self._finish(rehearsal))  # noqa: PLW0108 - binds
        monkeypatch.setattr(session, "write_report", lambda out: (out / "report.html").touch())

    def _walk(self, rehearsal: Rehearsal) -> None:
        name = rehearsal.scenario.name
        self.runs[name] = rehearsal.run
        if name in self.waits_for:
            assert self.waits_for[name].wait(10)
        if name in self.no_testbed:
            raise UsageError("no testbed")
        rehearsal.environment = {"source": "Apache Kafka"}
        if name in self.broken:
            raise UsageError("the environment broke")

    def _finish(self, rehearsal: Rehearsal) -> Report:
        name = rehearsal.scenario.name
        rehearsal.folder.mkdir(parents=True, exist_ok=True)
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
    assert {name: str(why) for name, why in done.errors.items()} == {"rollback-from-1": "the environment broke"}
    # Listed, so that a report misses it.
    assert world.facts["scenarios"] == list(NAMES)
    assert world.facts["errors"] == {"rollback-from-1": "the environment broke"}
    assert world.audience.outcomes["rollback-from-1"] == "not rehearsed"
    assert (world.out / "report.html").exists()


def test_where_no_testbed_comes_up_the_rest_is_not_tried(world: World) -> None:
    world.no_testbed = set(NAMES)
    done = world.rehearse(*NAMES)
    assert world.audience.begun == list(done.errors) == ["stop-first"]
    assert not (world.out / "report.html").exists()


def test_a_testbed_that_does_not_come_up_later_on_does_not_end_the_session(world: World) -> None:
    world.no_testbed = {"rollback-from-1"}
    assert len(world.rehearse(*NAMES).reports) == 3


def test_a_defect_is_raised_and_what_was_done_before_is_reported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = world._walk

    def defective(rehearsal: Rehearsal) -> None:
        if rehearsal.scenario.name == "rollback-from-1":
            raise ZeroDivisionError
        walk(rehearsal)

    monkeypatch.setattr(Rehearsal, "walk", defective)
    with pytest.raises(ZeroDivisionError):
        world.rehearse(*NAMES)
    assert world.facts["scenarios"] == ["stop-first"]
    assert world.facts["finished"] is None
    assert (world.out / "report.html").exists()


def test_an_interruption_is_one_although_its_clean_up_complains(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(rehearsal: Rehearsal) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise UsageError("producer-1 ended with -15")

    monkeypatch.setattr(Rehearsal, "walk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.rehearse(*NAMES)
    assert world.facts["errors"] == {}
    assert world.facts["finished"] is None
