"""Gates close if records, offsets or members on the target would make a group lose records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.plan.scenario import Gates
from cutover_harness.procedure.names import StepName

from tests.unit.conductor.world import EXACT, FORWARD, Skip, World, new_conductor, steps, timeline_of

REMOVED = "the target has removed 90 records of t-0 that group g has not read"


@pytest.mark.parametrize(
    ("there", "message"),
    [
        ({"ends": {("t", 0): 100}}, "gate target unused cannot open: topic t holds 100 records on the target"),
        ({"ends": {("t", 0): 100}, "starts": {("t", 0): 99}}, "topic t holds 1 record on the target"),
        ({"offsets": {("t", 0): 7}}, "gate target unused cannot open: group g has offsets in t on the target"),
        ({"active_members": 2}, "waits for group g has 2 members on the target, which commits there: stop them"),
    ],
)
def test_the_mirror_is_not_created_if_the_target_is_in_use(tmp_path: Path, there: dict[str, Any], message: str) -> None:
    world = World(**there)
    conductor = new_conductor(tmp_path, world, steps(*FORWARD))
    assert not conductor.run()
    assert message in str(timeline_of(conductor).failure)
    assert "create" not in world.asked
    assert conductor.journal.find("found", 0) is not None


@pytest.mark.parametrize(
    "there",
    [
        {},
        {"ends": {("t", 0): 100}, "starts": {("t", 0): 100}},  # emptied
        {"offsets": {("t", 0): 0}},
        # An earlier task of this batch, taken back.
        {"ends": {("t", 0): 100}, "offsets": {("t", 0): 7}, "mirrored": [("t", 0)]},
    ],
)
def test_an_unused_target_and_records_of_an_earlier_mirror_of_the_batch_pass(
    tmp_path: Path, there: dict[str, Any]
) -> None:
    world = World(**there)
    assert new_conductor(tmp_path, world, steps(*FORWARD)).run()


@pytest.mark.parametrize("names", [FORWARD, EXACT])
@pytest.mark.parametrize("synchronised", [True, False])
def test_records_that_the_target_removed_end_the_path_once_consumers_are_held(
    tmp_path: Path, names: Sequence[StepName], synchronised: bool
) -> None:
    world, path = World(), steps(*names)
    assert new_conductor(tmp_path, world, path[:3]).run()
    world.skips, world.synchronised = [Skip(REMOVED)], synchronised
    conductor = new_conductor(tmp_path, world, path, gates=Gates(deadline_s=3600, progress_wait_s=3600, settle_s=0.01))
    assert not conductor.run()
    assert f"cannot open: {REMOVED}" in str(timeline_of(conductor).failure)
    assert timeline_of(conductor).steps == list(names[:3])


@pytest.mark.parametrize(("sure", "message"), [(True, "cannot open: "), (False, "not open after 0 s: waits for ")])
def test_skipped_records_keep_the_gate_closed_after_the_wait_for_progress(
    tmp_path: Path, sure: bool, message: str
) -> None:
    world, path = World(), steps(*FORWARD)
    assert new_conductor(tmp_path, world, path[:3]).run()
    world.skips, world.synchronised = [Skip(REMOVED, sure=sure)], False
    conductor = new_conductor(tmp_path, world, path, gates=Gates(deadline_s=0.02, progress_wait_s=0.02, settle_s=3600))
    assert not conductor.run()
    assert f"{message}{REMOVED}" in str(timeline_of(conductor).failure)


def test_consumers_that_still_read_on_the_source_may_catch_up_with_removed_records(tmp_path: Path) -> None:
    world, path = World(skips=[Skip(REMOVED)]), steps(*FORWARD)
    conductor = new_conductor(tmp_path, world, path)
    assert not conductor.run()
    assert f"gate target has what groups need not open after 0 s: waits for {REMOVED}" in str(
        timeline_of(conductor).failure
    )
    world.skips = []
    assert new_conductor(tmp_path, world, path).run()


def test_an_offset_that_is_ahead_ends_the_path_unless_exact_offsets_are_set(tmp_path: Path) -> None:
    ahead = Skip("group g would skip 30 records of t-0", removed=False)
    for names in (FORWARD, EXACT):
        folder = tmp_path / str(len(names))
        folder.mkdir()
        world = World()
        assert new_conductor(folder, world, steps(*names[:3])).run()
        world.skips = [ahead]
        conductor = new_conductor(folder, world, steps(*names))
        assert not conductor.run()
        assert "cannot open: group g would skip 30 records of t-0" in str(timeline_of(conductor).failure)
        assert ("exact offsets of g" in world.asked) == (names is EXACT), "setting them is what heals it"


def test_members_on_the_target_close_the_gates_until_consumers_are_moved(tmp_path: Path) -> None:
    world, path = World(), steps(*FORWARD)
    assert new_conductor(tmp_path, world, path[:2]).run()
    world.active_members = 1
    conductor = new_conductor(tmp_path, world, path)
    assert not conductor.run()
    assert "gate no consumers on the target" in str(timeline_of(conductor).failure)
    world.active_members = 0
    assert new_conductor(tmp_path, world, path[:4]).run()
    world.active_members = 1  # they are there by right now
    assert new_conductor(tmp_path, world, path).run()


def test_a_group_that_was_held_on_the_target_resumes_at_its_own_offsets(tmp_path: Path) -> None:
    names = (*FORWARD[:4], StepName.STOP_CONSUMERS, StepName.CONSUMERS_TO_TARGET)
    world = World()
    assert new_conductor(tmp_path, world, steps(*names[:4])).run()
    world.skips = [Skip("its offset there is ahead of the one on the source", removed=False)]
    assert new_conductor(tmp_path, world, steps(*names)).run()


def test_a_way_back_journals_records_that_the_source_removed_and_continues(tmp_path: Path) -> None:
    names = (*FORWARD[:4], StepName.CONSUMERS_TO_SOURCE, StepName.DELETE_TASK)
    world = World()
    assert new_conductor(tmp_path, world, steps(*names[:4])).run()
    world.starts, world.offsets = {("t", 0): 50}, {("t", 0): 10}
    conductor = new_conductor(tmp_path, world, steps(*names))
    assert conductor.run()
    (entry,) = [
        e for e in conductor.journal.read() if e.kind == "gate" and e.name == "source has what groups read again"
    ]
    assert "the source has removed up to 40 records of t-0 that group g has not read there" in entry.detail["evidence"]
