"""A conductor that was killed at any moment resumes from its journal."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.channels.base import OvertakenError
from cutover_harness.conductor.journal import Kind
from cutover_harness.conductor.resume import waited
from cutover_harness.plan.scenario import PathStep
from cutover_harness.procedure.names import StepName

from tests.unit.conductor.world import FORWARD, QuickJournal, World, new_conductor, steps, timeline_of

GONE = "t-0: source records 4 to 8 are gone"


class KilledError(BaseException):
    """Stands for a SIGKILL: nothing runs after it."""


class DyingJournal(QuickJournal):
    """A journal whose owner dies at its n-th write."""

    def __init__(self, path: Path, n: int, *, after: bool) -> None:
        super().__init__(path)
        self._left = n
        self._after = after

    def write(self, kind: Kind, step: int, name: str, **detail: Any) -> int:
        if self._left == 0 and not self._after:
            raise KilledError
        number = super().write(kind, step, name, **detail)
        self._left -= 1
        if self._left < 0:
            raise KilledError
        return number


def killed_at(tmp_path: Path, world: World, path: list[PathStep], at_kind: Kind, at_name: str) -> None:
    """Run until this entry is written; the conductor is killed right after it."""
    conductor = new_conductor(tmp_path, world, path)
    write = conductor.journal.write

    def dying(kind: Kind, step: int, name: str, **detail: Any) -> int:
        number = write(kind, step, name, **detail)
        if (kind, name) == (at_kind, at_name):
            raise KilledError
        return number

    conductor.journal.write = dying  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        conductor.run()


def test_records_mirrored_before_a_kill_do_not_count_as_foreign(
    tmp_path: Path,
) -> None:
    world, path = World(), steps(*FORWARD)
    killed = new_conductor(tmp_path, world, path)
    killed.cutover_file.write()
    killed._take(0, path[0])
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:  # as after a kill in the middle of the step
        db.execute("DELETE FROM entry WHERE kind = 'done' AND step = 0")
    world.ends = {("t", 0): 100}
    assert new_conductor(tmp_path, world, path).run()


@pytest.mark.parametrize("step", [StepName.STOP_CONSUMERS, StepName.CONSUMERS_TO_TARGET, StepName.STOP_PRODUCERS])
def test_gates_are_checked_again_if_the_conductor_was_killed_between_them_and_the_step(
    tmp_path: Path, step: StepName
) -> None:
    world, path = World(), steps(*FORWARD)
    killed_at(tmp_path, world, path, "doing", step)
    before = (tmp_path / "cutover.toml").read_bytes()
    world.gone = [GONE]  # hours later
    conductor = new_conductor(tmp_path, world, path, deadline_s=3600)
    assert not conductor.run()
    assert timeline_of(conductor).failure == f"gate mirror has missed nothing cannot open: {GONE}"
    assert (tmp_path / "cutover.toml").read_bytes() == before


def test_producers_that_were_about_to_move_wait_for_the_mirror_again(tmp_path: Path) -> None:
    world, path = World(), steps(*FORWARD)
    killed_at(tmp_path, world, path, "doing", StepName.PRODUCERS_TO_TARGET)
    world.is_drained = False
    conductor = new_conductor(tmp_path, world, path)
    assert not conductor.run()
    assert "gate mirror at zero not open" in str(timeline_of(conductor).failure)
    assert conductor.cutover_file.routes["r"].producers == "hold"


def test_gates_before_a_step_that_had_its_effect_are_not_checked_again(tmp_path: Path) -> None:
    """Clients that have left the source cannot be held back any more."""
    world, path = World(), steps(*FORWARD)
    killed_at(tmp_path, world, path, "gate", "attested on target")
    world.gone = [GONE]
    conductor = new_conductor(tmp_path, world, path[:4])
    assert conductor.run()


def test_exact_offsets_from_before_a_kill_do_not_replace_the_check_of_the_mirror(tmp_path: Path) -> None:
    world = World()
    path = steps(*FORWARD[:3], StepName.SET_EXACT_OFFSETS, StepName.CONSUMERS_TO_TARGET)
    killed_at(tmp_path, world, path, "done", StepName.SET_EXACT_OFFSETS)
    world.gone = [GONE]
    conductor = new_conductor(tmp_path, world, path, deadline_s=3600)
    assert not conductor.run()
    assert timeline_of(conductor).failure == f"gate mirror has missed nothing cannot open: {GONE}"


def test_a_deadline_continues_from_the_count_of_a_killed_conductor(tmp_path: Path) -> None:
    """Its waiting time counts; the time until a conductor resumes does not, and no jump of the clock."""
    world, path = World(lag_records=501), steps(StepName.CREATE_TASK, StepName.SYNCHRONISE)
    killed = new_conductor(tmp_path, world, path)
    killed.journal.write("waits", 1, "mirror lag under the bar", waits_for="x", elapsed_s=3599.99, deadline_s=3600)
    killed.journal.close()
    conductor = new_conductor(tmp_path, world, path, deadline_s=3600)
    assert not conductor.run()
    assert "gate mirror lag under the bar not open after 3600 s" in str(timeline_of(conductor).failure)


def test_a_gate_that_is_open_is_passed_however_long_the_wait_was(tmp_path: Path) -> None:
    path = steps(StepName.CREATE_TASK, StepName.SYNCHRONISE)
    conductor = new_conductor(tmp_path, World(), path)
    conductor.journal.write("waits", 1, "mirror lag under the bar", waits_for="x", elapsed_s=99, deadline_s=0.02)
    assert conductor.run()


def test_a_conductor_that_resumes_after_a_missed_deadline_waits_for_the_whole_deadline(tmp_path: Path) -> None:
    conductor = new_conductor(tmp_path, World(), [])
    conductor.journal.write("waits", 1, "g", waits_for="x", elapsed_s=5, deadline_s=6)
    assert waited(conductor.journal.read(), 1, "g") == (5, 5)
    conductor.journal.write("waits", 1, "g", waits_for="x", elapsed_s=6, idle_s=2, deadline_s=6)
    assert waited(conductor.journal.read(), 1, "g") == (6, 2), "a deadline counts from the last progress"
    assert waited(conductor.journal.read(), 2, "g") == waited(conductor.journal.read(), 1, "other") == (0, 0)
    conductor.journal.write("missed", -1, "g", why="x")
    assert waited(conductor.journal.read(), 1, "g") == (0, 0)


def test_a_conductor_that_was_overtaken_stops_and_does_not_retry(tmp_path: Path) -> None:
    conductor = new_conductor(tmp_path, World(), steps(*FORWARD), deadline_s=3600)
    file = tmp_path / "cutover.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("generation = 1", "generation = 8"), encoding="utf-8")
    now = file.read_bytes()
    with pytest.raises(OvertakenError, match="generation 8 is there"):
        conductor.run()
    assert file.read_bytes() == now


@pytest.mark.parametrize("on_missed", ["stop", "rollback"])
def test_a_conductor_killed_at_any_write_reaches_the_same_end(tmp_path: Path, on_missed: str) -> None:
    """Killed at each entry of its journal in turn, right before it is written and right after."""
    world = World(is_drained=on_missed == "stop")
    (tmp_path / "whole").mkdir()
    whole = new_conductor(tmp_path / "whole", world, steps(*FORWARD), on_missed=on_missed)
    whole.run()
    expected = timeline_of(whole)
    for moment in range(2 * len(whole.journal.read())):
        folder = tmp_path / str(moment)
        folder.mkdir()
        dies = DyingJournal(folder / "journal.sqlite", moment // 2, after=bool(moment % 2))
        world = World(is_drained=world.is_drained)
        killed = new_conductor(folder, world, steps(*FORWARD), on_missed=on_missed, journal=dies)
        with pytest.raises(KilledError):
            killed.run()
        resumed = new_conductor(folder, World(is_drained=world.is_drained), steps(*FORWARD), on_missed=on_missed)
        resumed.run()
        assert (timeline_of(resumed).state, timeline_of(resumed).steps) == (expected.state, expected.steps)
        assert [c.to_cluster for c in timeline_of(resumed).cuts] == [c.to_cluster for c in expected.cuts]
        assert resumed.cutover_file.generation == whole.cutover_file.generation


def test_a_mirror_whose_deletion_was_begun_is_deleted_first_on_the_way_back(tmp_path: Path) -> None:
    world, path = World(), steps(*FORWARD)
    killed_at(tmp_path, world, path, "doing", StepName.DELETE_TASK)
    assert "delete" not in world.asked
    conductor = new_conductor(tmp_path, world, path)
    conductor.turn_back()
    assert not conductor.run()
    assert "delete" in world.asked
    back = next(e for e in conductor.journal.read() if e.kind == "back").detail["acts"]
    assert (back[0], back[-1]) == (StepName.DELETE_TASK, StepName.CONSUMERS_TO_SOURCE)


def test_a_mirror_that_was_deleted_is_not_deleted_again_on_the_way_back(tmp_path: Path) -> None:
    conductor = new_conductor(tmp_path, World(), steps(*FORWARD))
    assert conductor.run()
    conductor.turn_back()
    assert not conductor.run()
    back = next(e for e in conductor.journal.read() if e.kind == "back").detail["acts"]
    assert StepName.DELETE_TASK not in back
