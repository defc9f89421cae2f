"""The fleet of a planned scenario: how its applications move, and their client settings as far as they are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutover_harness.plan.scenario import Scenario
from cutover_harness.planning.model import PlanFile
from cutover_harness.procedure.names import StepName
from cutover_harness.rehearsal.planned.limits import Chosen
from cutover_harness.replay.config import Transactions

ASSIGNORS = ("range", "roundrobin", "cooperative-sticky")
"""Assignors that librdkafka has; the inventory has the name that the group has agreed on."""
TRANSACTIONS = Transactions(records=50, ms=500, abort_every=5)


def overlaps(template: Scenario) -> bool:
    """Return whether new members start next to the old ones, so that the whole fleet is restarted."""
    return any(step.step == StepName.OVERLAP_CONSUMERS for step in template.path)


def restarts_of(chosen: Chosen) -> dict[str, Any] | None:
    """Return the clients of a batch that are restarted, as a scenario has them; None if all follow the cutover file."""
    part = chosen.part
    groups = tuple(name for name in chosen.groups if part.groups[name].moves != "shim")
    restarted, every = part.restarted_producers, part.all_producers
    producers = round(chosen.producers * restarted / every)
    if 0 < restarted < every:
        producers = min(max(producers, 1), chosen.producers - 1)
    return {"groups": groups, "producers": producers} if groups or producers else None


def fleet_of(plan: PlanFile, selection: Sequence[Chosen], template: Scenario) -> dict[str, Any]:
    """Return the section `fleet` of a scenario: of the template, with the plan's groups, members and settings."""
    fleet: dict[str, Any] = template.fleet.model_dump(exclude_unset=True)
    fleet |= {
        "producers": sum(chosen.producers for chosen in selection),
        "groups": {name: members for chosen in selection for name, members in chosen.groups.items()},
        "apps": "restart" if overlaps(template) else "shim",
    }
    if (assignor := common_assignor(selection)) is not None:
        fleet["consumer"] = {"partition.assignment.strategy": assignor} | fleet.get("consumer", {})
    if transactional(selection):
        fleet.setdefault("transactions", TRANSACTIONS.model_dump())
        fleet["consumer"] = {"isolation.level": "read_committed"} | fleet.get("consumer", {})
    if fleet["apps"] == "shim" and any(way.kafka is not None for way in plan.reach):
        fleet["channel"] = "kafka"
    return fleet


def common_assignor(selection: Sequence[Chosen]) -> str | None:
    """Return the assignor of all rehearsed groups, None if they differ or librdkafka lacks it."""
    found = {chosen.part.groups[name].assignor for chosen in selection for name in chosen.groups} - {None, ""}
    return found.pop() if len(found) == 1 and found <= set(ASSIGNORS) else None


def transactional(selection: Sequence[Chosen]) -> list[str]:
    """Return the rehearsed topics that are written in transactions."""
    return [name for chosen in selection for name in chosen.topics if chosen.part.topics[name].transactional]
