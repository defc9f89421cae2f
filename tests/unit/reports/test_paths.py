"""Switchover or rollback, and from which stage."""

from __future__ import annotations

import pytest
from cutover_reports.paths import rollback_stage

from tests.unit.reports.run_folders import BACK, FORWARD, PRODUCERS_FIRST


@pytest.mark.parametrize("path", [FORWARD, PRODUCERS_FIRST, FORWARD[:3], [], ["no-such-act"]])
def test_a_path_that_only_goes_forward_is_no_rollback(path: list[str]) -> None:
    assert rollback_stage(path) is None


@pytest.mark.parametrize("stage", range(1, 7))
def test_a_rollback_turns_back_from_its_highest_stage(stage: int) -> None:
    assert rollback_stage(BACK[stage]) == stage
