"""Gates close if the mirror is broken, has missed records, or if its topics have changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.procedure.names import StepName
from cutover_harness.words import counted

from tests.unit.conductor.world import FORWARD, Lag, World, new_conductor, steps, timeline_of

GONE = "t-0: source records 4 to 8 are gone"
BROKEN = "cutover-r-source FAILED: RecordTooLargeException"


@pytest.mark.parametrize("step", [StepName.STOP_CONSUMERS, StepName.CONSUMERS_TO_TARGET, StepName.STOP_PRODUCERS])
def test_records_that_were_not_mirrored_end_the_path_immediately(tmp_path: Path, step: StepName) -> None:
    world, path = World(), steps(*FORWARD)
    before = FORWARD.index(step)
    assert new_conductor(tmp_path, world, path[:before]).run()
    world.gone = [GONE]
    conductor = new_conductor(tmp_path, world, path, deadline_s=3600)
    assert not conductor.run()
    assert timeline_of(conductor).steps == list(FORWARD[:before])
    assert timeline_of(conductor).failure == f"gate mirror has missed nothing cannot open: {GONE}"
    world.gone = []  # MirrorMaker 2 continued behind them; the journal still lists them
    assert not new_conductor(tmp_path, world, path, deadline_s=3600).run()


def test_missed_records_are_looked_for_again_when_the_mirror_is_at_zero(tmp_path: Path) -> None:
    world, path = World(), steps(*FORWARD)
    assert new_conductor(tmp_path, world, path[:5]).run()
    world.gone = [GONE]
    conductor = new_conductor(tmp_path, world, path)
    assert not conductor.run()
    assert timeline_of(conductor).steps == list(FORWARD[:5])
    assert not timeline_of(conductor).copied


def test_a_recreated_topic_ends_the_path(tmp_path: Path) -> None:
    world, path = World(), steps(*FORWARD)
    assert new_conductor(tmp_path, world, path[:2]).run()
    world.topic_id = "id-2"
    conductor = new_conductor(tmp_path, world, path, deadline_s=3600, on_missed="rollback")
    assert not conductor.run()
    assert "topic t was recreated on the source (topic id id-1, now id-2)" in str(timeline_of(conductor).failure)
    assert timeline_of(conductor).steps == [*FORWARD[:2], StepName.DELETE_TASK]


@pytest.mark.parametrize(("topic_id", "proved"), [("id-1", True), ("", False)], ids=["ids", "no-ids"])
def test_the_evidence_counts_no_topic_without_an_id_as_the_first_one(
    tmp_path: Path, topic_id: str, proved: bool
) -> None:
    """Brokers before Kafka 2.8 have no ids."""
    conductor = new_conductor(tmp_path, World(topic_id=topic_id), steps(*FORWARD))
    assert conductor.run()
    found = [
        entry.detail["evidence"] for entry in conductor.journal.read() if entry.name == "mirror has missed nothing"
    ]
    assert found
    for evidence in found:
        assert evidence.startswith(f"{counted(int(proved), 'topic')} as mirrored first")
        assert ("not known on the source for 1 topic (t): they have no topic id" in evidence) is not proved


@pytest.mark.parametrize("step", [StepName.STOP_CONSUMERS, StepName.CONSUMERS_TO_TARGET])
def test_a_topic_that_was_deleted_closes_the_gate(tmp_path: Path, step: StepName) -> None:
    world, path = World(), steps(*FORWARD)
    before = FORWARD.index(step)
    assert new_conductor(tmp_path, world, path[:before]).run()
    world.counts = {}
    conductor = new_conductor(tmp_path, world, path)
    assert not conductor.run()
    assert "topic t was deleted on the source; topic t was deleted on the target" in str(timeline_of(conductor).failure)


def test_partitions_that_the_target_lacks_close_the_gate_until_they_exist(tmp_path: Path) -> None:
    source, target = World(counts={"t": 2}), World(counts={"t": 2})
    path = steps(*FORWARD)
    conductor = new_conductor(tmp_path, source, path[:2], target=target)
    assert conductor.run()
    source.counts = {"t": 3}
    conductor = new_conductor(tmp_path, source, path, target=target)
    assert not conductor.run()
    assert "topic t has 2 of 3 partitions on the target" in str(timeline_of(conductor).failure)
    target.counts = {"t": 3}
    conductor = new_conductor(tmp_path, source, path, target=target)
    assert conductor.run()
    evidence = [e.detail["evidence"] for e in conductor.journal.read() if e.kind == "gate" and "missed" in e.name]
    assert "topic t grew from 2 to 3 partitions on the source" in evidence[-1]


@pytest.mark.parametrize(("at_first", "passes"), [(3, True), (2, False)])
def test_additional_partitions_on_the_target_are_refused_unless_they_were_there_from_the_start(
    tmp_path: Path, at_first: int, passes: bool
) -> None:
    source, target = World(counts={"t": 2}), World(counts={"t": at_first})
    path = steps(*FORWARD)
    for last in (2, len(path)):
        conductor = new_conductor(tmp_path, source, path[:last], target=target)
        assert conductor.run() == (passes or last == 2)
        target.counts = {"t": 3}
    assert passes or "topic t got 3 partitions on the target and has 2 on the source" in str(
        timeline_of(conductor).failure
    )


def test_without_safety_missed_records_are_ignored(tmp_path: Path) -> None:
    conductor = new_conductor(tmp_path, World(gone=[GONE], topic_id="x"), steps(*FORWARD, safety=False))
    assert conductor.run()


@pytest.mark.parametrize("step", FORWARD[:6])
def test_a_broken_mirror_closes_every_gate_immediately(tmp_path: Path, step: StepName) -> None:
    world, path = World(), steps(*FORWARD)
    before = FORWARD.index(step)
    assert new_conductor(tmp_path, world, path[:before]).run()
    world.is_broken = BROKEN
    conductor = new_conductor(tmp_path, world, path, deadline_s=3600)
    assert not conductor.run()
    assert str(timeline_of(conductor).failure).endswith(f"cannot open: {BROKEN}")
    assert timeline_of(conductor).steps[:before] == list(FORWARD[:before])


def test_a_mirror_that_breaks_after_producers_have_moved_does_not_stop_the_path(tmp_path: Path) -> None:
    world, path = World(), steps(*FORWARD)
    assert new_conductor(tmp_path, world, path[:6]).run()
    world.is_broken = BROKEN
    assert new_conductor(tmp_path, world, path).run()


def test_a_broken_mirror_does_not_prevent_the_way_back(tmp_path: Path) -> None:
    world = World()
    assert new_conductor(tmp_path, world, steps(*FORWARD[:5])).run()
    world.is_broken = BROKEN
    conductor = new_conductor(tmp_path, world, steps(*FORWARD), deadline_s=3600, on_missed="rollback")
    assert not conductor.run()
    assert timeline_of(conductor).state.stage == 0
    assert conductor.cutover_file.routes["r"].producers == conductor.cutover_file.routes["r"].consumers == "source"


def test_a_mirror_that_breaks_while_a_gate_is_read_does_not_open_it(tmp_path: Path) -> None:
    """Records that are missing are found by looking at the lag, which may be under the bar with them."""
    world = World()

    class Breaking(World):
        def lag(self) -> Lag:
            self.is_broken = BROKEN
            return Lag(0)

    assert new_conductor(tmp_path, world, steps(StepName.CREATE_TASK)).run()
    conductor = new_conductor(tmp_path, Breaking(), steps(StepName.CREATE_TASK, StepName.SYNCHRONISE), deadline_s=3600)
    assert not conductor.run()
    assert timeline_of(conductor).failure == f"gate mirror lag under the bar cannot open: {BROKEN}"


def test_records_that_were_not_compared_count_as_lag(tmp_path: Path) -> None:
    world = World(not_compared=501)
    conductor = new_conductor(tmp_path, world, steps(StepName.CREATE_TASK, StepName.SYNCHRONISE))
    assert not conductor.run()
    assert "waits for lag 0 records, 501 more not compared yet, above 500" in str(timeline_of(conductor).failure)


@pytest.mark.parametrize("safety", [True, False])
def test_a_negative_control_ignores_missed_records(tmp_path: Path, safety: bool) -> None:
    class Holed(World):
        def lag(self) -> Lag:
            self.is_broken = BROKEN
            return Lag(700, not_compared=900, amid=700)

    path = steps(StepName.CREATE_TASK) + steps(StepName.SYNCHRONISE, StepName.STOP_CONSUMERS, safety=safety)
    assert new_conductor(tmp_path, Holed(), path).run() is not safety


def test_a_gate_shows_why_nothing_is_copied(tmp_path: Path) -> None:
    world = World(
        lag_records=900, is_stalled="RUNNING and has copied nothing for 9 s; its worker's log: WARN too large"
    )
    conductor = new_conductor(tmp_path, world, steps(StepName.CREATE_TASK, StepName.SYNCHRONISE))
    assert not conductor.run()
    assert str(timeline_of(conductor).failure).endswith(f"waits for lag 900 above 500 records; {world.is_stalled}")
