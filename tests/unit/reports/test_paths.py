"""Switchover or rollback, and from which stage."""

from __future__ import annotations

import pytest
from cutover_reports.paths import rollback_stage, stage_title, states

from tests.unit.reports.run_folders import BACK, FORWARD, PRODUCERS_FIRST


@pytest.mark.parametrize("path", [FORWARD, PRODUCERS_FIRST, FORWARD[:3], [], ["no-such-act"]])
def test_a_path_that_only_goes_forward_is_no_rollback(path: list[str]) -> None:
    assert rollback_stage(path) is None


@pytest.mark.parametrize("stage", range(1, 7))
def test_a_rollback_turns_back_from_its_highest_stage(stage: int) -> None:
    assert rollback_stage(BACK[stage]) == stage


def test_an_unknown_act_has_no_states() -> None:
    assert states(["create-task", "fly"]) == []


def test_a_deleted_task_with_all_on_the_source_is_not_called_finished() -> None:
    assert stage_title(7, "", back_on_source=True) == "task deleted, all on source"
    assert stage_title(7, "", back_on_source=False) == "task deleted"
