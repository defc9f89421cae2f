"""The plan in a report: its name and hash, what of it was left out, its policy; different plans are no yes together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.judge.model import RunFacts
from cutover_harness.judge.planned import Omitted, Planned
from cutover_reports.build import build
from cutover_reports.html import html
from cutover_reports.markdown import markdown
from cutover_reports.plans import SHOWN

from tests.unit.reports.run_folders import SHAPES, write_run

ONE, OTHER = "1" * 64, "2" * 64
LEFT_OUT = Omitted("Batch flights: 3 of 9 topics: a, b, c", "whether they survive", "a larger machine")
FORWARD = [shape for shape in SHAPES if shape.name == "stop-first"]


def planned_run(folder: Path, sha256: str, *, seed: int = 1) -> Path:
    """Write the run of a plan: one batch of two."""
    write_run(folder, FORWARD, seed=seed)
    facts = RunFacts.load(folder / "stop-first" / "run.json")
    part = Planned(
        name="shop", file="plan.yaml", sha256=sha256, inventory="inventory.json", inventory_sha256="3" * 64,
        route="flights", batches=["flights"], traffic=["rates: measured for 6 of 9 topics"], not_rehearsed=[LEFT_OUT],
    )  # fmt: skip
    replace(facts, plan=part).save(folder / "stop-first" / "run.json")
    about: dict[str, Any] = {
        "name": "shop", "file": "plan.yaml", "sha256": sha256, "inventory": "inventory.json",
        "inventory_sha256": "3" * 64, "batches": ["flights"], "all_batches": ["flights", "weather"],
    }  # fmt: skip
    set_facts(folder, plan=about)
    return folder


def set_facts(folder: Path, **facts: Any) -> None:
    file = folder / "rehearsal.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))


def test_every_output_names_the_plan_and_what_it_left_out(tmp_path: Path) -> None:
    built = build([planned_run(tmp_path / "run", ONE)])
    page, text = html(built), markdown(built.report)
    for written in (page.split('<nav class="sections"')[0], text):
        assert f"shop (plan.yaml, SHA-256 {ONE[:SHOWN]})" in written
        assert f"inventory.json, SHA-256 {'3' * SHOWN}" in written
    assert ONE in page
    for written in (page, text):
        assert "Batch flights: 3 of 9 topics: a, b, c" in written
        assert "rates: measured for 6 of 9 topics" in written
        assert "Batches of plan shop: weather" in written
    (run,), (scenario,) = built.report.runs, built.report.scenarios
    assert run.plan is not None
    assert (run.plan.sha256, scenario.plan) == (ONE, ONE)
    assert scenario.left_out[0].what == LEFT_OUT.what


@pytest.mark.parametrize(("other", "decision"), [(ONE, "GO WITH CONDITIONS"), (OTHER, "INCONCLUSIVE")])
def test_runs_of_different_plans_are_no_yes(tmp_path: Path, other: str, decision: str) -> None:
    folders = [planned_run(tmp_path / "a", ONE), planned_run(tmp_path / "b", other, seed=2)]
    report = build(folders).report
    assert report.decision == decision
    assert ("different plans" in report.headline) == (other != ONE)


def test_a_scenario_of_another_plan_in_one_folder_is_no_yes(tmp_path: Path) -> None:
    folder = planned_run(tmp_path / "run", ONE)
    facts = RunFacts.load(folder / "stop-first" / "run.json")
    assert facts.plan is not None
    replace(facts, plan=replace(facts.plan, sha256=OTHER)).save(folder / "stop-first" / "run.json")
    assert build([folder]).report.decision == "INCONCLUSIVE"


def test_a_plan_that_cannot_be_read_stops_no_report(tmp_path: Path) -> None:
    folder = planned_run(tmp_path / "run", ONE)
    set_facts(folder, plan={"name": 7})
    assert build([folder]).report.runs[0].plan is None


def test_the_policy_of_the_rehearsal_comes_before_that_of_the_folder(tmp_path: Path) -> None:
    folder = planned_run(tmp_path / "run", ONE)
    (folder / "policy.toml").write_text('name = "of the folder"')
    (folder / "applied-policy.toml").write_text("format = 1")
    set_facts(folder, policy="shop.toml")
    assert build([folder]).report.policy == "shop.toml"
    (tmp_path / "other.toml").write_text("format = 1")
    assert build([folder], tmp_path / "other.toml").report.policy == "other.toml"
