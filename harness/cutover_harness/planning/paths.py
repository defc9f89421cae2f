"""The steps of a batch's path, of the catalogue or its own."""

from __future__ import annotations

from cutover_harness.plan.load import find
from cutover_harness.plan.scenario import PathStep
from cutover_harness.planning.model import PlannedBatch


def steps_of(batch: PlannedBatch) -> list[PathStep]:
    """Return the steps of a batch's path."""
    return list(find(batch.path).path if isinstance(batch.path, str) else batch.path)
