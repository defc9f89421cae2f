"""When the offsets of stopped groups are synchronised or settled, and when nothing moves for another reason."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.procedure.protocols import MirrorLike
from cutover_harness.procedure.settling import Settling

from tests.unit.conductor.world import Progress

SETTLE_S = 4.0


@dataclass
class World:
    rows: list[Progress]
    down: list[str] = field(default_factory=list)
    provable: bool = True
    asked: list[tuple[str, int]] = field(default_factory=list)
    now: float = 0.0
    away: bool = False

    def group_progress(self, group: str) -> Sequence[Progress]:
        if self.away:
            raise UsageError("the target does not answer")
        return self.rows

    def translating(self) -> Sequence[str]:
        return self.down

    def set_absent_offsets(self, group: str, partitions: Collection[tuple[str, int]]) -> str | None:
        self.asked += partitions
        if not self.provable:
            return "1 of 1 not proved: t-0: source record 5 is not on the target yet"
        for row in self.rows:
            if (row.topic, row.partition) in partitions:
                row.target_committed = 5
        return None

    def settling(self) -> Settling:
        return Settling(cast("MirrorLike", self), ["g"], SETTLE_S, lambda: self.now)


def early() -> Progress:
    return Progress(target_committed=3, synchronised=False)


def absent() -> Progress:
    return Progress(target_committed=None, synchronised=False)


def test_synchronised() -> None:
    reading = World([Progress(), Progress(partition=1)]).settling().read()
    assert reading.open
    assert reading.evidence == "last commits of 1 group translated in 2 partitions"


def test_settled_after_some_time_without_movement() -> None:
    world = World([early()])
    settling = world.settling()
    first = settling.read()
    assert (first.open, first.enough) == (False, True)
    world.now = SETTLE_S
    assert settling.read().open


def test_time_in_which_a_cluster_is_away_does_not_count() -> None:
    world = World([early()])
    settling = world.settling()
    settling.read()
    world.away, world.now = True, SETTLE_S  # Connect still reports its tasks as RUNNING
    with pytest.raises(UsageError):
        settling.read()
    world.away = False
    assert not settling.read().open
    world.now += SETTLE_S
    assert settling.read().open


def test_nothing_settles_while_connect_is_away() -> None:
    world = World([early()])
    settling = world.settling()
    settling.read()
    world.down = ["cutover-b-checkpoint is UNASSIGNED"]
    for _ in range(5):
        world.now += SETTLE_S
        reading = settling.read()
        assert not reading.open
        assert not reading.enough, "nor is the documented wait over"
        assert reading.waits_for.endswith("cutover-b-checkpoint is UNASSIGNED")
    world.down = []
    assert not settling.read().open, "the time begins anew"
    world.now += SETTLE_S - 0.1
    assert not settling.read().open
    world.now += 0.2
    assert settling.read().open


def test_a_partition_without_any_offset_never_settles() -> None:
    world = World([early(), absent()], provable=False)
    world.rows[1].partition = 1
    settling = world.settling()
    settling.read()
    for _ in range(5):
        world.now += SETTLE_S
        reading = settling.read()
        assert not reading.open
        assert not reading.enough
        assert "1 without any offset" in reading.waits_for
        assert "not proved: t-0" in reading.waits_for
    assert set(world.asked) == {("t", 1)}


def test_an_absent_offset_is_set_with_proof_once_nothing_moves() -> None:
    world = World([early(), absent()])
    world.rows[1].partition = 1
    settling = world.settling()
    assert not settling.read().open
    assert not world.asked, "the mirror may still translate it"
    world.now = SETTLE_S
    assert not settling.read().open
    assert world.asked == [("t", 1)]
    world.now += SETTLE_S
    settling.read()
    world.now += SETTLE_S
    assert settling.read().open


def test_offsets_that_are_all_absent_are_set_immediately() -> None:
    """Of partitions in which nothing ever was, for instance: the mirror translates nothing there."""
    world = World([Progress(), absent()])
    world.rows[1].partition = 1
    settling = world.settling()
    assert not settling.read().open
    reading = settling.read()
    assert reading.open
    assert reading.evidence == "last commits of 1 group translated in 2 partitions, 1 of them set with proof"


def test_a_group_that_committed_nothing_does_not_settle_but_need_not_be_waited_for_longer() -> None:
    world = World([])
    settling = world.settling()
    settling.read()
    world.now = 100
    reading = settling.read()
    assert (reading.open, reading.enough) == (False, True)
