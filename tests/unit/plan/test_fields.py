"""Names of fields that a place in a file can have."""

from __future__ import annotations

import pytest
from cutover_harness.plan.fields import fields_at
from cutover_harness.plan.scenario import Scenario
from cutover_harness.planning.model import PlanFile
from pydantic import BaseModel


@pytest.mark.parametrize(
    ("model", "at", "some"),
    [
        (Scenario, (), {"name", "path", "faults"}),
        (Scenario, ("path", 1), {"step", "dwell_s"}),
        (Scenario, ("traffic", "prices"), {"partitions", "keys"}),
        (PlanFile, ("batches", 0, "groups", "billing"), {"moves", "on_stop"}),
        (PlanFile, ("batches", 0, "fence"), set()),
        (PlanFile, ("nowhere", 3), set()),
    ],
)
def test_fields_of_a_place(model: type[BaseModel], at: tuple[int | str, ...], some: set[str]) -> None:
    found = fields_at(model, at)
    assert some <= set(found)
    assert bool(some) == bool(found)
    assert len(found) == len(set(found))
