"""Switchover or rollback, and from which stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cutover_reports.build import build
from cutover_reports.paths import deciding, rollback_stage

from tests.unit.reports.run_folders import BACK, FORWARD, PRODUCERS_FIRST, SHAPES, facts_of, write_run


@pytest.mark.parametrize("path", [FORWARD, PRODUCERS_FIRST, FORWARD[:3], [], ["no-such-act"]])
def test_a_path_that_only_goes_forward_is_no_rollback(path: list[str]) -> None:
    assert rollback_stage(path) is None


@pytest.mark.parametrize("stage", range(1, 7))
def test_a_rollback_turns_back_from_its_highest_stage(stage: int) -> None:
    assert rollback_stage(BACK[stage]) == stage


@pytest.mark.parametrize(
    ("paths", "path"),
    [
        ({}, FORWARD),
        ({"a": FORWARD, "b": FORWARD}, FORWARD),
        ({"a": BACK[4], "b": FORWARD}, BACK[4]),
        ({"a": FORWARD[:4], "b": BACK[3], "c": FORWARD}, BACK[3]),
        ({"a": FORWARD[:4], "b": FORWARD}, FORWARD[:4]),
    ],
)
def test_of_several_batches_the_one_that_did_not_arrive_decides(paths: dict[str, list[str]], path: list[str]) -> None:
    assert deciding(FORWARD, paths) == path


def test_a_batch_that_turned_back_is_no_switchover_whatever_the_last_batch_did(tmp_path: Path) -> None:
    (shape,) = (each for each in SHAPES if each.name == "stop-first")
    write_run(tmp_path, [shape])
    assert [each.kind for each in build([tmp_path]).report.scenarios] == ["switchover"]
    facts = replace(facts_of(shape), paths={"first": BACK[4], "second": FORWARD})
    facts.save(tmp_path / shape.name / "run.json")
    report = build([tmp_path]).report
    assert [(each.kind, each.rollback_stage) for each in report.scenarios] == [("rollback", 4)]
    assert report.decision == "INCONCLUSIVE"
