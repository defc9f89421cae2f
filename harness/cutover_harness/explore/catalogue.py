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
_PLANNED = " in a plan"


def cases(names: Iterable[str], bounds: Bounds) -> list[Case]:
    """Return the cases with these names or of these scenario files; without names all. Raises UsageError."""
    plans = {case.name: case for case in _in_plans(bounds)}
    if given := [plans.get(name) or _named(name, plans, bounds) for name in names]:
        return given
    found: dict[tuple[object, ...], Case] = {}
    for case in (_case(scenario, bounds) for scenario in load_all() if is_route(scenario)):
        steps = tuple((step.step, step.safety) for step in case.path)
        found.setdefault((case.fleet, *steps), case)  # several scenarios of the catalogue take the same path
    return [*found.values(), *plans.values()]


def _in_plans(bounds: Bounds) -> list[Case]:
    """Return the paths of the run of a plan, whose names no scenario has."""
    path = find("in-process").path
    plans = [Case(f"in-process{_PLANNED}, {fleet}", path, fleet, bounds, planned=True) for fleet in IN_A_PLAN]
    # Both kinds of clients in one step need two partitions, so that there is no room for faults as well.
    small = replace(bounds, partitions=2, records=1, faults=0)
    mixed = [Case(f"{name}{_PLANNED}, mixed", find(name).path, "mixed", small, planned=True) for name in MIXED]
    return [*plans, *mixed]


def _named(name: str, plans: Iterable[str], bounds: Bounds) -> Case:
    if _PLANNED in name:
        raise UsageError(f"{name}: no such path of a plan: give one of: {'; '.join(plans)}")
    scenario = find(name)
    if len(scenario.batches) > 1:
        raise UsageError(f"{scenario.name}: batches: one batch is explored at a time: leave the others out")
    return _case(scenario, bounds)


def is_route(scenario: Scenario) -> bool:
    """Whether a scenario is a switchover or a rollback: no faults, one batch, nothing that it must violate."""
    return not (scenario.faults or scenario.batches or scenario.traffic or scenario.expect.must_fail)


def _case(scenario: Scenario, bounds: Bounds) -> Case:
    restarts = scenario.fleet.apps == "restart" or StepName.OVERLAP_CONSUMERS in [s.step for s in scenario.path]
    return Case(scenario.name, scenario.path, "restart" if restarts else "shim", bounds)
