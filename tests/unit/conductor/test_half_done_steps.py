"""The way back from a step that was begun and not done: what has happened is read from the cutover file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cutover_harness.procedure.context import RouteClients
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.restarted import RestartedClient

from tests.unit.conductor.test_kills import killed_at
from tests.unit.conductor.world import FORWARD, World, new_conductor, steps, timeline_of

THERE_AND_BACK = (*FORWARD[:4], StepName.STOP_CONSUMERS, StepName.CONSUMERS_TO_SOURCE, StepName.DELETE_TASK)
REVERSE = (
    *FORWARD[:5], StepName.REVERSE_MIRROR, StepName.PRODUCERS_TO_TARGET, StepName.STOP_PRODUCERS,
    StepName.PRODUCERS_TO_SOURCE, StepName.STOP_CONSUMERS, StepName.CONSUMERS_TO_SOURCE, StepName.DELETE_TASK,
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "step"),
    [
        (THERE_AND_BACK, StepName.CONSUMERS_TO_SOURCE),
        (REVERSE, StepName.PRODUCERS_TO_SOURCE),
        (REVERSE, StepName.REVERSE_MIRROR),
        (REVERSE, StepName.CONSUMERS_TO_SOURCE),
        (FORWARD, StepName.STOP_CONSUMERS),
        (FORWARD, StepName.CONSUMERS_TO_TARGET),
    ],
)
def test_a_step_that_has_changed_nothing_does_not_count(
    tmp_path: Path, path: tuple[StepName, ...], step: StepName
) -> None:
    killed_at(tmp_path, World(), steps(*path), "doing", step)
    conductor = new_conductor(tmp_path, World(), steps(*path))
    conductor.turn_back()
    assert not conductor.run()
    route = conductor.cutover_file.routes["r"]
    assert (route.producers, route.consumers) == ("source", "source")
    state = timeline_of(conductor).state
    assert (state.producers, state.consumers, state.has_task) == ("source", "source", False)


def test_producers_do_not_return_past_a_reverse_mirror_while_one_of_them_still_writes(tmp_path: Path) -> None:
    world, path = World(), steps(*REVERSE)
    killed_at(tmp_path, world, path, "done", StepName.PRODUCERS_TO_TARGET)
    killed_at(tmp_path, world, path, "doing", StepName.STOP_PRODUCERS)
    conductor = new_conductor(tmp_path, world, path)
    generation = conductor.cutover_file.point("r", producers="hold")  # what the step wrote before the kill
    late = {"generation": generation - 1, "desired": "target", "state": "target"}
    status = {"instance": "p", "role": "producer", "updated": 0.0, "routes": {"r": late}}
    (tmp_path / "status" / "p.json").write_text(json.dumps(status), encoding="utf-8")
    conductor.turn_back()
    assert not conductor.run()
    missed = next(e for e in conductor.journal.read() if e.kind == "missed")
    assert (missed.name, "p is target" in missed.detail["why"]) == ("attested held", True)
    assert conductor.cutover_file.routes["r"].producers == "hold"


def test_restarted_producers_are_quiet_on_the_target_before_they_return_past_a_reverse_mirror(tmp_path: Path) -> None:
    route = RouteClients("r", ["g"], {"c": "consumer"}, None, [RestartedClient("app", "producer", None, 0.02, False)])
    world, path = World(), steps(*REVERSE)
    killed_at(tmp_path, world, path, "done", StepName.PRODUCERS_TO_TARGET)
    conductor = new_conductor(tmp_path, world, path, route=route)
    conductor.cutover_file.point("r", producers="hold")
    conductor.turn_back()
    assert not conductor.run()  # the world's log shows no partition, so nothing proves that it is quiet
    missed = next(e for e in conductor.journal.read() if e.kind == "missed")
    assert missed.name == "restarted producers have left target"
