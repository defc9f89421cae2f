"""What the search keeps about earlier states is what each state would find by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cutover_harness.explore.case import Bounds, Case, Fleet
from cutover_harness.explore.invariants import of_move
from cutover_harness.explore.recording import Answers, Recorder
from cutover_harness.explore.search import Search
from cutover_harness.explore.world import Part, World
from cutover_harness.plan.load import find

BOUNDS = Bounds(records=1, faults=1, states=3000)


@pytest.mark.parametrize(
    ("name", "fleet", "bounds"),
    [
        ("in-process", "shim", BOUNDS),
        ("overlap", "restart", BOUNDS),
        ("stop-first", "restarted-producer", replace(BOUNDS, partitions=2)),
        ("rollback-from-6-reverse", "shim", replace(BOUNDS, faults=0, partitions=2)),
        ("in-process", "restarted-group", replace(BOUNDS, faults=0, crashes=False, partitions=2)),
    ],
)
def test_kept_successors_are_those_of_each_state(name: str, fleet: Fleet, bounds: Bounds) -> None:
    search = Search(Case(name, find(name).path, fleet, bounds, planned=True))
    search.run()
    for key in search.keys[:: len(search.keys) // 500]:
        world = search.world(key)
        alone = {
            (search.key(move.world), of_move(search.case, search.conductors, world, move.world) is not None)
            for move in list(search.after(world))
        }
        assert {(following, damages) for following, _, damages in search.successors.of(key)} == alone


def test_an_answer_holds_only_for_states_that_agree_in_what_was_read() -> None:
    recorder, answers, asked = Recorder(1), Answers[int](), []

    def ask(sent: int, mirror: int) -> int:
        world = World((Part(sent=sent),), mirror=mirror)

        def calculate() -> int:
            asked.append((sent, mirror))
            seen = recorder.watch(world)
            return seen.parts[0].sent if seen.mirror else -1

        return answers.find((*world.parts, world), calculate, recorder)

    assert [ask(1, 0), ask(2, 0), ask(2, 1), ask(3, 1), ask(2, 1)] == [-1, -1, 2, 3, 2]
    assert asked == [(1, 0), (2, 1), (3, 1)]


def test_a_field_that_is_replaced_counts_as_read() -> None:
    recorder = Recorder(1)
    seen = recorder.watch(World((Part(),), translates=1))
    changed = seen._replace(translates=0)
    assert changed.translates == 0
    assert [field for field, _ in recorder.reads] == [(-1, World._fields.index("translates"))]
