"""Gates of a scenario on a target that needs longer."""

from __future__ import annotations

import pytest
from cutover_harness.plan.scenario import Gates, Scenario
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("written", "deadline_s", "progress_wait_s"),
    [
        ({}, 164.0, 164.0),
        ({"deadline_s": 20}, 20.0, 164.0),
        ({"progress_wait_s": 30}, 164.0, 30.0),
        ({"deadline_s": 20, "progress_wait_s": 30}, 20.0, 30.0),
    ],
)
def test_deadlines_follow_the_target_unless_the_scenario_sets_them(
    written: dict[str, float], deadline_s: float, progress_wait_s: float
) -> None:
    gates = Gates.model_validate(written).on(164.0)
    assert (gates.deadline_s, gates.progress_wait_s) == (deadline_s, progress_wait_s)


def test_a_fast_target_shortens_nothing() -> None:
    gates = Gates().on(10.0)
    assert (gates.deadline_s, gates.progress_wait_s) == (10.0, 60.0)


PRODUCERS_FIRST = ["create-task", "synchronise", "producers-to-target", "consumers-to-target", "delete-task"]


def test_a_path_whose_gate_can_never_open_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"step 3 \(producers-to-target\) waits for ever: .* safety: false"):
        Scenario.model_validate({"name": "a", "title": "b", "path": PRODUCERS_FIRST})


def test_a_negative_control_may_move_producers_first() -> None:
    path = [{"step": step, "safety": step != "producers-to-target"} for step in PRODUCERS_FIRST]
    assert len(Scenario.model_validate({"name": "a", "title": "b", "path": path}).path) == len(path)
