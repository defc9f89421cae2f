"""Where clients must not be, by the journal of a path."""

from __future__ import annotations

from typing import Any

import pytest
from cutover_harness.procedure.entries import START, Entry, Kind
from cutover_harness.procedure.mirror_turn import REVERSED
from cutover_harness.procedure.whereabouts import Away, Whereabouts, whereabouts


class Path:
    """A journal that grows."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.number = -1

    def write(self, kind: Kind, step: int, name: str, **detail: Any) -> None:
        self.entries.append(Entry(len(self.entries) + 1, 1, kind, step, name, detail))

    def start(self) -> Path:
        self.write("done", START, "start")
        return self

    def begin(self, name: str) -> Path:
        self.number += 1
        self.write("doing", self.number, name)
        return self

    def end(self) -> Path:
        self.write("done", self.number, self.entries[-1].name)
        return self

    def do(self, *names: str) -> Path:
        for name in names:
            self.begin(name).end()
        return self

    def found(self) -> Whereabouts:
        where = whereabouts(self.entries)
        assert where is not None
        return where

    def away(self) -> set[tuple[str, str, int, bool]]:
        return {(each.role, each.cluster, each.since, each.were_there) for each in self.found().away}


TO_STAGE_4 = ("create-task", "synchronise", "stop-consumers", "set-exact-offsets", "consumers-to-target")


def test_before_the_clients_have_attested_nothing_is_a_bypass() -> None:
    assert whereabouts([]) is None
    assert whereabouts(Path().begin("create-task").entries) is None


def test_on_the_source_nobody_may_be_on_the_target_yet() -> None:
    assert Path().start().away() == {("producer", "target", START, False), ("consumer", "target", START, False)}


def test_a_hold_leaves_both_clusters_and_a_step_in_progress_judges_nobody_whom_it_moves() -> None:
    path = Path().start().do("create-task", "synchronise").begin("stop-consumers")
    assert path.away() == {("producer", "target", START, False)}
    path.end()
    assert ("consumer", "source", 2, True) in path.away()
    assert ("consumer", "target", START, False) in path.away()


def test_who_has_moved_may_be_there_and_has_left_the_other_cluster_since_the_hold() -> None:
    path = Path().start().do(*TO_STAGE_4)
    assert path.away() == {("producer", "target", START, False), ("consumer", "source", 2, True)}
    path.do("stop-producers", "producers-to-target")
    assert path.away() == {("producer", "source", 5, True), ("consumer", "source", 2, True)}


def test_overlapping_consumers_may_be_on_both_clusters() -> None:
    path = Path().start().do("create-task", "synchronise", "overlap-consumers")
    assert path.away() == {("producer", "target", START, False)}
    path.do("consumers-to-target")
    assert path.away() == {("producer", "target", START, False), ("consumer", "source", 3, True)}


def test_producers_first_may_write_on_the_target() -> None:
    path = Path().start().do("create-task", "stop-producers", "producers-to-target")
    assert path.away() == {("producer", "source", 1, True), ("consumer", "target", START, False)}


def test_on_the_way_back_the_target_is_left() -> None:
    path = Path().start().do(*TO_STAGE_4, "stop-producers", "producers-to-target", "stop-producers")
    assert {("producer", "source", 5, True), ("producer", "target", 7, True)} <= path.away()
    path.do("producers-to-source")
    assert path.away() == {("producer", "target", 7, True), ("consumer", "source", 2, True)}


def test_whom_a_step_moved_that_was_turned_back_in_the_middle_is_not_judged_until_the_next_move() -> None:
    path = Path().start().do(*TO_STAGE_4).begin("stop-producers")
    path.write("missed", START, "attested held", why="w")
    path.write("back", START, "back to the source", acts=["producers-to-source"])
    assert path.away() == {("consumer", "source", 2, True)}
    path.do("producers-to-source")
    assert ("producer", "target", START, False) in path.away()


def test_a_step_that_had_changed_nothing_when_the_way_back_was_decided_does_not_count() -> None:
    path = Path().start().do("create-task", "synchronise").begin("stop-consumers")
    path.write("back", START, "back to the source", acts=["delete-task"], undone=[2])
    assert path.away() == {("producer", "target", START, False), ("consumer", "target", START, False)}


@pytest.mark.parametrize(
    ("steps", "copies_to"),
    [((), None), (("create-task",), "target"), (TO_STAGE_4, "target"), ((*TO_STAGE_4, "stop-producers"), "target")],
)
def test_the_mirror_copies_to_the_target_from_its_creation_on(steps: tuple[str, ...], copies_to: str | None) -> None:
    assert Path().start().do(*steps).found().copies_to == copies_to


def test_a_mirror_that_is_being_created_copies_already() -> None:
    assert Path().start().begin("create-task").found().copies_to == "target"


def test_a_cut_mirror_copies_nothing_and_one_that_was_turned_around_copies_to_the_source() -> None:
    path = Path().start().do(*TO_STAGE_4, "stop-producers").begin("reverse-mirror")
    assert not [each for each in path.found().away if each.role == "producer"], "who writes is not known in between"
    path.write("cut", START, "target", offsets=[["t", 0, 7]])
    path.write("done", path.number, "reverse-mirror")
    assert (path.found().copies_to, path.found().cut) == (None, {("t", 0): 7})
    assert Away("producer", "source", 5, were_there=True) in path.found().away
    path.begin("producers-to-target").write("cut", START, REVERSED)
    path.write("done", path.number, "producers-to-target")
    assert (path.found().copies_to, path.found().cut) == ("source", {("t", 0): 7})


def test_while_the_mirror_is_deleted_producers_are_not_judged_and_after_the_end_nobody() -> None:
    path = Path().start().do(*TO_STAGE_4, "stop-producers", "producers-to-target").begin("delete-task")
    assert path.away() == {("consumer", "source", 2, True)}
    path.end()
    assert ("producer", "source", 5, True) in path.away()
    assert path.found().copies_to is None
    path.write("end", 8, "completed")
    assert whereabouts(path.entries) is None
