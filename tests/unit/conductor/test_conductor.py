"""The conductor's steps in their order, their gates and marks. Real clusters are in tests/cluster."""

from __future__ import annotations

import tomllib
from pathlib import Path

from cutover_harness.conductor.journal import Journal
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import RouteState

from tests.unit.conductor.world import FORWARD, World, new_conductor, steps, timeline_of


def test_notes_of_the_mirror_are_journalled_when_it_is_created(tmp_path: Path) -> None:
    world = World()
    world.notes = ["topic t: not copied to the target: vendor.x"]
    conductor = new_conductor(tmp_path, world, steps(StepName.CREATE_TASK))
    assert conductor.run()
    assert [entry.name for entry in conductor.journal.read() if entry.kind == "note"] == world.notes


def test_stop_first_waits_for_progress_and_for_a_drained_mirror_before_it_deletes_it(tmp_path: Path) -> None:
    world = World()
    conductor = new_conductor(tmp_path, world, steps(*FORWARD))
    assert conductor.run()
    assert world.asked == ["create", "progress of g?", "progress of g?", "drained?", "delete"]
    assert [mark.stage for mark in timeline_of(conductor).marks if mark.kind == "stage"] == [1, 2, 3, 4, 5, 6, 7]
    written = tomllib.loads((tmp_path / "cutover.toml").read_text(encoding="utf-8"))
    assert (written["generation"], written["routes"]["r"]["producers"]) == (5, "target")


def test_the_cutover_file_is_private(tmp_path: Path) -> None:
    new_conductor(tmp_path, World(), [])
    assert (tmp_path / "cutover.toml").stat().st_mode & 0o777 == 0o600


def test_a_cut_lasts_from_the_hold_to_the_attestation_on_the_other_cluster(tmp_path: Path) -> None:
    conductor = new_conductor(tmp_path, World(), steps(*FORWARD))
    conductor.run()
    line = timeline_of(conductor)
    cuts = [(cut.role, cut.group, cut.from_cluster, cut.to_cluster) for cut in line.cuts]
    assert cuts == [("consumer", "g", "source", "target"), ("producer", None, "source", "target")]
    done = {mark.name: mark for mark in line.marks if mark.kind == "step"}
    holds = (StepName.STOP_CONSUMERS, StepName.STOP_PRODUCERS)
    arrivals = (StepName.CONSUMERS_TO_TARGET, StepName.PRODUCERS_TO_TARGET)
    for cut, hold, arrival in zip(line.cuts, holds, arrivals, strict=True):
        assert done[hold].time_ns == cut.time_ns_from
        assert done[arrival].end_ns == cut.time_ns_to


def test_producers_do_not_move_while_records_are_left_to_mirror(tmp_path: Path) -> None:
    conductor = new_conductor(tmp_path, World(is_drained=False), steps(*FORWARD))
    assert not conductor.run()
    assert "gate mirror at zero not open" in str(timeline_of(conductor).failure)
    assert timeline_of(conductor).state.stage == 5
    assert conductor.cutover_file.routes["r"].producers == "hold"


def test_producers_do_not_move_before_the_consumers(tmp_path: Path) -> None:
    conductor = new_conductor(
        tmp_path, World(), steps(StepName.CREATE_TASK, StepName.SYNCHRONISE, StepName.PRODUCERS_TO_TARGET)
    )
    assert not conductor.run()
    assert "consumers have to be on the target" in str(timeline_of(conductor).failure)


def test_a_negative_control_passes_the_safety_gates(tmp_path: Path) -> None:
    world = World(is_drained=False)
    path = steps(StepName.CREATE_TASK, StepName.SYNCHRONISE, StepName.PRODUCERS_TO_TARGET, safety=False)
    conductor = new_conductor(tmp_path, world, path)
    assert conductor.run()
    assert timeline_of(conductor).state.stage == 6
    assert "drained?" not in world.asked


def test_exact_offsets_replace_the_wait_for_progress(tmp_path: Path) -> None:
    world = World()
    conductor = new_conductor(
        tmp_path, world, steps(*FORWARD[:3], StepName.SET_EXACT_OFFSETS, StepName.CONSUMERS_TO_TARGET)
    )
    assert conductor.run()
    assert world.asked == ["create", "stop translating", "exact offsets of g"]


def test_a_reversed_mirror_is_drained_before_producers_go_back(tmp_path: Path) -> None:
    world = World()
    back = (StepName.STOP_PRODUCERS, StepName.PRODUCERS_TO_SOURCE)
    path = steps(*FORWARD[:5], StepName.REVERSE_MIRROR, StepName.PRODUCERS_TO_TARGET, *back)
    conductor = new_conductor(tmp_path, world, path)
    assert conductor.run()
    assert world.asked[3:] == ["drained?", "cut", "reverse from 7", "reverse drained?"]


def test_a_mirror_whose_turn_was_interrupted_is_turned_around_from_the_first_cut(tmp_path: Path) -> None:
    world = World()
    path = steps(*FORWARD[:5], StepName.REVERSE_MIRROR, StepName.PRODUCERS_TO_TARGET)
    assert new_conductor(tmp_path, world, path[:6]).run()
    assert world.asked[3:] == ["drained?", "cut"]
    assert new_conductor(tmp_path, world, path).run()
    assert world.asked[5:] == ["reverse from 7"]


def test_unproved_progress_is_waited_for_and_then_passed_as_documented(tmp_path: Path) -> None:
    conductor = new_conductor(tmp_path, World(synchronised=False), steps(*FORWARD[:4]))
    assert conductor.run()
    gate = next(mark for mark in timeline_of(conductor).marks if mark.name == "group progress synchronised")
    assert gate.detail.startswith(
        "waited 0 s without proof: g 0 of 1 partition translated to the last commit, 1 transla"
    )


def test_progress_that_no_longer_changes_is_settled(tmp_path: Path) -> None:
    world, times = World(synchronised=False), iter([0.0, 3.9, 4.0])
    gate = (
        new_conductor(tmp_path, world, [])
        .contexts.conditions(safety=True)
        .progress(["g"], 60, 4, clock=lambda: next(times))
    )
    assert [gate.read().open for _ in range(3)] == [False, False, True]


def test_progress_that_still_changes_is_not_settled(tmp_path: Path) -> None:
    world, times = World(synchronised=False), iter([0.0, 5.0, 8.0, 9.0])
    gate = (
        new_conductor(tmp_path, world, [])
        .contexts.conditions(safety=True)
        .progress(["g"], 60, 4, clock=lambda: next(times))
    )
    assert not gate.read().open
    world.target_committed = 7
    assert [gate.read().open for _ in range(3)] == [False, False, True]


def test_a_lag_above_the_bar_keeps_stage_2_closed(tmp_path: Path) -> None:
    conductor = new_conductor(tmp_path, World(lag_records=501), steps(StepName.CREATE_TASK, StepName.SYNCHRONISE))
    assert not conductor.run()
    assert "lag 501 above 500 records" in str(timeline_of(conductor).failure)


def test_a_missed_deadline_turns_the_path_back_if_the_scenario_requires_it(tmp_path: Path) -> None:
    world = World(is_drained=False)
    conductor = new_conductor(tmp_path, world, steps(*FORWARD), on_missed="rollback")
    assert not conductor.run()
    line = timeline_of(conductor)
    assert [str(step) for step in line.steps][-4:] == [
        "producers-to-source", "stop-consumers", "consumers-to-source", "delete-task",
    ]  # fmt: skip
    assert line.state == RouteState(task="deleted")
    assert world.asked[-1] == "delete"


def test_a_request_is_made_once_and_waited_for(tmp_path: Path) -> None:
    asks = [(StepName.CREATE_TASK, "before")]
    path = steps(StepName.CREATE_TASK)
    assert not new_conductor(tmp_path, World(), path, asks=asks, asked_within_s=0.02).run()
    assert [e.name for e in Journal(tmp_path / "journal.sqlite").read() if e.kind == "ask"] == ["before create-task"]
    Journal(tmp_path / "journal.sqlite").write("answer", 0, "before create-task")
    assert new_conductor(tmp_path, World(), path, asks=asks).run()
    assert len([e for e in Journal(tmp_path / "journal.sqlite").read() if e.kind == "ask"]) == 1


def test_clients_that_were_said_to_be_moved_are_moved_again_after_a_gate_was_missed(tmp_path: Path) -> None:
    asks = [(StepName.STOP_CONSUMERS, "move")]
    path = steps(StepName.CREATE_TASK, StepName.STOP_CONSUMERS)
    request = "move stop-consumers"

    def run(world: World) -> bool:
        return new_conductor(tmp_path, world, path, asks=asks, asked_within_s=0.02).run()

    def asked() -> int:
        return len([entry for entry in journal.read() if (entry.kind, entry.name) == ("ask", request)])

    assert not run(World())
    journal = Journal(tmp_path / "journal.sqlite")
    journal.write("answer", 1, request)
    journal.write("missed", -1, "restarted consumers have left source", why="group g has 1 member")
    assert not run(World()), "the answer from before does not count"
    assert asked() == 2
    journal.write("answer", 1, request)
    assert run(World())
    assert asked() == 2
