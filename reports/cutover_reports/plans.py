"""The plan behind a report: its name and hash, and runs of different plans, which prove nothing together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from cutover_reports import words
from cutover_reports.model import PlanReference, RouteReport, Run, Scenario, Unproved
from cutover_reports.routes import worst_decision

SHOWN = 12
"""Digits of a hash that are shown; `report.json` has all of them."""


def reference(value: Any) -> PlanReference | None:
    """Return the plan as `rehearsal.json` names it, None if it names none that can be read."""
    if value is None:
        return None
    try:
        return PlanReference.model_validate(value)
    except ValidationError:
        return None


def in_words(plan: PlanReference) -> str:
    """Return the plan's name, file and hash in one line."""
    return f"{plan.name} ({plan.file}, SHA-256 {plan.sha256[:SHOWN]})"


def inventory_in_words(plan: PlanReference) -> str:
    """Return the inventory's file and hash in one line."""
    if plan.inventory is None or plan.inventory_sha256 is None:
        return "none: topics and groups are those of the capture"
    return f"{plan.inventory}, SHA-256 {plan.inventory_sha256[:SHOWN]}"


def hashes(runs: Iterable[Run], scenarios: Iterable[Scenario]) -> list[str]:
    """Return the hashes of all plans that runs and scenarios name."""
    named = [run.plan.sha256 for run in runs if run.plan is not None]
    return list(dict.fromkeys([*named, *(scenario.plan for scenario in scenarios if scenario.plan is not None)]))


def of_one_plan(routes: Sequence[RouteReport], runs: Sequence[Run], scenarios: Sequence[Scenario]) -> list[RouteReport]:
    """Return the routes; if their runs are of different plans, none of them is a yes."""
    found = hashes(runs, scenarios)
    if len(found) < 2:
        return list(routes)
    why = f"the runs are of different plans (SHA-256 {words.listed([digest[:SHOWN] for digest in found])})"
    return [
        route.model_copy(
            update={
                "decision": worst_decision([route.decision, "INCONCLUSIVE"]),
                "reasons": [*route.reasons, f"{why}: give runs of the plan that is to be carried out"],
            }
        )
        for route in routes
    ]


def left_out(runs: Sequence[Run], scenarios: Sequence[Scenario]) -> Iterable[Unproved]:
    """Yield the parts of plans that were not rehearsed: whole batches first, then parts of batches."""
    for run in runs:
        plan = run.plan
        if plan is not None and (absent := [name for name in plan.all_batches if name not in plan.batches]):
            yield Unproved(
                what=f"Batches of plan {plan.name}: {words.listed(absent, 8)}",
                leaves_open="whether these batches move without loss, and the order of the batches",
                how=f"kafka-cutover rehearse --plan {plan.file}",
            )
    seen: set[tuple[str, str]] = set()
    for part in (part for scenario in scenarios for part in scenario.left_out):
        if (part.what, part.leaves_open) not in seen:
            seen.add((part.what, part.leaves_open))
            yield part
