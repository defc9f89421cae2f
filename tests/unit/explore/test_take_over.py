"""A conductor that is suspended when it is about to write, taken over, and wakes up: the lease refuses its write."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cutover_harness.errors import LeaseLostError
from cutover_harness.explore.case import LEASE, Bounds, Case, Removed
from cutover_harness.explore.search import Search, Violation
from cutover_harness.explore.views import Box
from cutover_harness.plan.load import find

SUSPENDED = Bounds(partitions=1, records=1, faults=1, kinds=("take-over",), crashes=True)
AND_DIES = replace(SUSPENDED, records=2, faults=2, kinds=("take-over", "client-dies"), crashes=False)


def explored(bounds: Bounds, *without: Removed, name: str = "in-process") -> Violation | None:
    result = Search(Case(name, find(name).path, "shim", bounds, frozenset(without))).run()
    assert result.complete or result.violation is not None
    return result.violation


@pytest.mark.parametrize("bounds", [SUSPENDED, AND_DIES], ids=["with kills", "with a client that dies"])
def test_what_was_taken_over_writes_nothing(bounds: Bounds) -> None:
    assert explored(bounds) is None


def test_without_a_look_at_the_lease_a_mirror_is_left_behind() -> None:
    violation = explored(replace(SUSPENDED, crashes=False), Removed(LEASE))
    assert violation is not None
    assert violation.damage.kind == "left"
    assert violation.trace[-2] == (
        "the suspended conductor wakes up at create-task: create-task is done, although it was taken over"
    )


def test_a_look_of_a_gate_that_set_offsets_after_the_take_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it once was: only actions looked at the lease, and a gate's look sets offsets, too."""

    def only_before_actions(_: Box, *, lost: bool = False) -> None:
        if lost:
            raise LeaseLostError("it was taken over")

    monkeypatch.setattr(Box, "fence", only_before_actions)
    violation = explored(AND_DIES)
    assert violation is not None
    assert violation.damage.kind == "re-read"
    assert any("exact offsets proved is done, although it was taken over" in line for line in violation.trace)


def test_a_suspended_conductor_is_one_of_the_faults() -> None:
    """Without that fault there is no place for a second conductor, so that no state is larger."""
    case = Case("in-process", find("in-process").path, "shim", SUSPENDED)
    assert len(Search(case).first().conductors) == 2
    for without in (replace(SUSPENDED, faults=0), replace(SUSPENDED, kinds=("client-dies",))):
        assert len(Search(replace(case, bounds=without)).first().conductors) == 1
