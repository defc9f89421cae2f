"""Searches with two partitions, each with a producer of its own: what one producer alone cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cutover_harness.explore.case import Bounds, Case
from cutover_harness.explore.journals import Journals
from cutover_harness.explore.numbers import Numbers
from cutover_harness.explore.search import Result, Search
from cutover_harness.explore.world import Part
from cutover_harness.plan.load import find
from cutover_harness.procedure.context import Action, StepContext
from cutover_harness.procedure.entries import START
from cutover_harness.procedure.gates import Gate
from cutover_harness.procedure.steps import ProducersToSource

BOUNDS = Bounds(partitions=2, records=1, faults=0, kinds=())


def explored(name: str, bounds: Bounds = BOUNDS) -> Result:
    return Search(Case(name, find(name).path, "shim", bounds)).run()


def test_a_way_back_waits_for_producers_that_have_not_followed_the_hold() -> None:
    result = explored("rollback-from-6")
    assert (result.complete, result.violation) == (True, None)


def test_without_that_one_writes_on_the_target_and_another_one_to_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    as_it_is = ProducersToSource.before

    def before(step: ProducersToSource, context: StepContext) -> Iterator[Gate | Action]:
        yield from as_it_is(step, replace(context, returns=False))

    monkeypatch.setattr(ProducersToSource, "before", before)
    violation = explored("rollback-from-6").violation
    assert violation is not None
    assert violation.damage.kind == "both"


def test_a_cut_of_the_reverse_mirror_stays_with_its_partition() -> None:
    result = explored("rollback-from-6-reverse", replace(BOUNDS, faults=1, kinds=("cluster-away",)))
    assert (result.complete, result.violation) == (True, None)


def numbers(journals: Journals) -> Numbers:
    return Numbers(Case("x", [], "shim", BOUNDS), 1, journals.tells_apart)


@pytest.mark.parametrize(
    ("kind", "name", "detail", "ordered"),
    [
        ("cut", "target", {"offsets": [["t", 0, 1], ["t", 1, 0]]}, True),
        ("cut", "target", {"offsets": [["t", 0, 1], ["t", 1, 1]]}, False),
        ("gone", "1 record of t/0", {}, True),
        ("found", "target", {"records": [["t", 0, 1]]}, True),
        ("found", "target", {"records": [], "offsets": [], "members": {"g": 1}}, False),
        ("done", "synchronise", {}, False),
    ],
)
def test_partitions_are_exchanged_only_if_the_journal_says_the_same_of_all(
    kind: str, name: str, detail: dict[str, object], ordered: bool
) -> None:
    journals = Journals()
    journal = journals.with_entry(0, kind, START, name, detail)  # type: ignore[arg-type]
    later = journals.with_entry(journal, "doing", 3, "stop-producers", {})
    table, parts = numbers(journals), (Part(sent=1), Part())
    for each in (journal, later):
        assert table.ordered((None,), each) is ordered
    same = table.parts(parts, ordered=ordered) == table.parts(parts[::-1], ordered=ordered)
    assert same is not ordered
