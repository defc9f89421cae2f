"""Clients on the shim and restarted ones in one step, with a conductor that may be killed between both."""

from __future__ import annotations

import pytest
from cutover_harness.explore.case import Bounds, Case
from cutover_harness.explore.search import Search
from cutover_harness.plan.path import PathStep
from cutover_harness.procedure.context import StepContext
from cutover_harness.procedure.names import StepName

PATH = [PathStep(step=step) for step in (StepName.CREATE_TASK, StepName.STOP_CONSUMERS, StepName.CONSUMERS_TO_TARGET)]
CASE = Case("x", PATH, "mixed", Bounds(partitions=2, records=0, faults=0, kinds=()), planned=True)


def test_each_kind_of_client_is_where_it_has_to_be() -> None:
    result = Search(CASE).run()
    assert (result.complete, result.violation) == (True, None)


def test_gates_that_look_at_groups_which_have_moved_wait_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it once was: after a kill, all gates before the step were asked again, of the groups on the target, too."""
    monkeypatch.setattr(StepContext, "of_restarted", lambda self, *_: self)
    violation = Search(CASE).run().violation
    assert violation is not None
    assert violation.damage.kind == "waits-in-vain"
    assert "no consumers on the target" in violation.damage.words
