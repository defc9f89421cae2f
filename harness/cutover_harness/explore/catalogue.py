"""The paths that are explored: those of the catalogue and of users' files, with the fleets that can take them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cutover_harness.errors import UsageError
from cutover_harness.explore.case import Bounds, Case, Fleet
from cutover_harness.plan.load import find, load_all
from cutover_harness.plan.scenario import Scenario
from cutover_harness.procedure.names import StepName

IN_A_PLAN: tuple[Fleet, ...] = ("shim", "restarted-producer", "restarted-group")
"""Fleets of the run of a plan, of which a part is stopped and started."""
MIXED = ("in-process", "rollback-from-6-reverse")
"""Paths that are explored with both kinds of clients in one step."""


def cases(names: Iterable[str], bounds: Bounds) -> list[Case]:
    """Return the cases of scenarios, by name or file; without names those of the catalogue. Raises UsageError."""
    scenarios = [find(name) for name in names]
    if scenarios:
        for scenario in scenarios:
            if len(scenario.batches) > 1:
                raise UsageError(f"{scenario.name}: batches: one batch is explored at a time: leave the others out")
        return [_case(scenario, bounds) for scenario in scenarios]
    found: dict[tuple[object, ...], Case] = {}
    for case in (_case(scenario, bounds) for scenario in load_all() if is_route(scenario)):
        steps = tuple((step.step, step.safety) for step in case.path)
        found.setdefault((case.fleet, *steps), case)  # several scenarios of the catalogue take the same path
    path = find("in-process").path
    plans = [Case(f"in-process in a plan, {fleet}", path, fleet, bounds, planned=True) for fleet in IN_A_PLAN]
    # Both kinds of clients in one step need two partitions, so that there is no room for faults as well.
    small = replace(bounds, partitions=2, records=1, faults=0)
    mixed = [Case(f"{name} in a plan, mixed", find(name).path, "mixed", small, planned=True) for name in MIXED]
    return [*found.values(), *plans, *mixed]


def is_route(scenario: Scenario) -> bool:
    """Whether a scenario is a switchover or a rollback: no faults, one batch, nothing that it must violate."""
    return not (scenario.faults or scenario.batches or scenario.traffic or scenario.expect.must_fail)


def _case(scenario: Scenario, bounds: Bounds) -> Case:
    restarts = scenario.fleet.apps == "restart" or StepName.OVERLAP_CONSUMERS in [s.step for s in scenario.path]
    return Case(scenario.name, scenario.path, "restart" if restarts else "shim", bounds)
