"""A planned scenario in a rehearsal: its folder, its traffic, and the clients of a batch that are restarted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.judge.planned import Planned, PlannedTopic
from cutover_harness.plan.batch import Batch, resolve
from cutover_harness.plan.load import parse
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.answers import producers_of, restarted
from cutover_harness.rehearsal.claim import EARLIER
from cutover_harness.rehearsal.fleets import producer_sets
from cutover_harness.rehearsal.folder import RunFolder
from cutover_harness.rehearsal.replay_input import prepare
from cutover_harness.rehearsal.settings import PlanSettings, Settings
from cutover_harness.replay import Fleet, FleetShape
from cutover_harness.replay.config import ReplayOptions
from cutover_harness.replay.shape import Following
from cutover_scenarios import sample_capture

from tests.unit.replay.test_following import Ended

TWO = """\
name: two
title: Two batches, of which one has producers of its own
path: [create-task, synchronise, stop-consumers, consumers-to-target, stop-producers, producers-to-target]
batches:
  a:
    topics: [a]
    groups: [shim, plain]
    producers: 3
    restarts: {groups: [plain], producers: 1}
  b: {topics: [b], groups: [other]}
fleet: {producers: 2, groups: {shim: 1, plain: 1, other: 1}}
"""
PART = Planned(
    name="shop",
    file="plan.yaml",
    sha256="1" * 64,
    inventory=None,
    inventory_sha256=None,
    route="flights",
    batches=["flights"],
    topics={"flights.departed": PlannedTopic(9, 9, {"retention.ms": "1000"})},
)


def fleet_of(scenario: Scenario, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """Return a started fleet without processes."""
    monkeypatch.setattr("cutover_harness.replay.fleet.Member", Ended)
    batches = resolve(scenario.batches, ["a", "b", "c"], scenario.fleet.groups)
    shape = FleetShape(groups=scenario.fleet.groups, sets=producer_sets(scenario, batches), restarts={"plain"})
    replay = ReplayOptions(capture=folder / "capture.parquet")
    follows = Following(folder / "cutover.toml")
    endpoints = {"source": {"bootstrap.servers": "s"}, "target": {"bootstrap.servers": "t"}}
    fleet = Fleet(shape, replay, folder=folder, run=1, topics=["a"], follows=follows, endpoints=endpoints)  # type: ignore[arg-type]
    fleet.start()
    return fleet


def test_a_batch_moves_its_own_clients_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = parse(TWO, "two.yaml")
    fleet = fleet_of(scenario, tmp_path, monkeypatch)
    a, b, stays = resolve(scenario.batches, ["a", "b", "c"], scenario.fleet.groups)
    assert producers_of(scenario, a, fleet) == ["producer-1", "producer-2", "producer-3"]
    assert producers_of(scenario, b, fleet) == producers_of(scenario, stays, fleet) == ["producer-4", "producer-5"]
    assert fleet.shape.sets[1].topics == ["b", "c"]
    moved = restarted(scenario, a, fleet)
    assert moved is not None
    assert (moved.groups, moved.producers) == (("plain",), ["producer-3"])
    assert restarted(scenario, b, fleet) is None


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("producers: 3", "path: [create-task, stop-producers]", "restarts: producers is more than the batch's own"),
        ("groups: [plain]", "groups: [other]", "restarts: other is not among the batch's groups"),
        ("fleet: {", "fleet: {apps: restart, ", "several batches and growth need apps on the shim"),
        ("producers: 3", "producers: 3\n    path: [create-task, stop-producers]", "a: path: ends with clients on hold"),
        ("producers: 3", "producers: 3\n    path: [synchronise]", "batches: a: path: step 1"),
    ],
)
def test_mistakes_in_a_batch_of_its_own_kind(old: str, new: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse(TWO.replace(old, new), "two.yaml")


def test_a_batch_reads_only_its_own_topics() -> None:
    batch = Batch(topics=("a",), groups=("g",), reads={"g": ("b",)})
    with pytest.raises(UsageError, match=r"batches\.x\.reads: g reads b"):
        resolve({"x": batch}, ["a", "b"], ["g"])


def settings(folder: Path, *, replayed: bool) -> Settings:
    policy = folder / "shop.toml"
    policy.write_text("format = 1")
    plan = PlanSettings({"name": "shop", "sha256": "1" * 64}, {"flights": PART}, replayed)
    return Settings(
        out=folder / "out", capture=sample_capture(), command="x", seed=1, plan=plan, policy=policy, replace=False
    )


def test_of_a_capture_only_the_plans_topics_are_replayed_with_its_properties(tmp_path: Path) -> None:
    scenario = parse(TWO, "two.yaml")
    found = prepare(scenario, settings(tmp_path, replayed=True), tmp_path, PART)
    assert list(found.topics) == ["flights.departed"]
    assert found.topics["flights.departed"].partitions == 9
    assert found.topics["flights.departed"].config == {"retention.ms": "1000"}
    assert found.written == {"flights.departed": "flights.departed"}


def test_the_folder_has_the_plan_and_a_copy_of_its_policy(tmp_path: Path) -> None:
    RunFolder(settings(tmp_path, replayed=False)).release()
    facts = json.loads((tmp_path / "out" / "rehearsal.json").read_text())
    assert facts["plan"]["name"] == "shop"
    assert facts["policy"] == "shop.toml"
    assert facts["capture"] == {"name": "generated to the inventory's rates and sizes"}
    assert (tmp_path / "out" / "applied-policy.toml").read_text() == "format = 1"
    RunFolder(Settings(out=tmp_path / "out", capture=sample_capture(), command="x", seed=1)).release()
    (kept,) = (tmp_path / "out" / EARLIER).iterdir()
    assert (kept / "applied-policy.toml").exists()
    assert not (tmp_path / "out" / "applied-policy.toml").exists()
