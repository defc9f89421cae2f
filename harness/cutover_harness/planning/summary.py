"""A plan as a table."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape

from cutover_harness.inventory.words import size
from cutover_harness.named_rows import print_rows
from cutover_harness.planning.model import PlanFile, PlannedBatch
from cutover_harness.words import counted

_COLUMNS = ("topics", "groups", "producers", "path", "to mirror", "minutes", "expires in")


def print_plan(plan: PlanFile, counts: Mapping[str, int], console: Console) -> None:
    """Print the batches and their notes. counts: topics by batch."""
    rows = [_row(batch, counts.get(batch.name, 0)) for batch in plan.batches]
    right = [name for name in _COLUMNS if name != "path"]
    print_rows(console, ("batch", *_COLUMNS), rows, folded=("batch",), right=right)
    measured = "measured" if plan.mirror_rate_measured else "assumed"
    console.print(f"minutes at {size(plan.mirror_rate)}/s ({measured})")
    topics = counted(len(plan.stays), "name or glob", "names or globs")
    console.print(f"stay on the source: topics by {topics}, {counted(len(plan.stays_groups), 'group')}")
    for batch in plan.batches:
        for note in batch.notes:
            console.print(f"{escape(batch.name)}: {escape(note)}", soft_wrap=True)


def _row(batch: PlannedBatch, topics: int) -> list[str]:
    estimate = batch.estimate
    path = batch.path if isinstance(batch.path, str) else counted(len(batch.path), "step")
    cells = [batch.name, f"{topics:,}", f"{len(batch.groups):,}", f"{len(batch.producers):,}", path]
    if estimate is None:
        return [*cells, "?", "?", "?"]
    minutes = "?" if estimate.minutes is None else f"{estimate.minutes:,.1f}"
    deadline = "" if estimate.deadline_h is None else f"{estimate.deadline_h:,.1f} h"
    return [*cells, size(estimate.bytes), minutes, deadline]
