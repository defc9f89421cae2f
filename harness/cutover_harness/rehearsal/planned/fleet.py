"""The fleet of a planned scenario: how its applications move, and their client settings as far as they are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cutover_harness.plan.batch import FileConnectors
from cutover_harness.plan.scenario import Scenario
from cutover_harness.planning.model import PlanFile
from cutover_harness.procedure.names import StepName
from cutover_harness.rehearsal.planned.limits import Chosen
from cutover_harness.replay.config import Transactions

LOG_APPEND_TIME = "LogAppendTime"
MOST_SOURCES = 8
"""Largest number of source connectors of a batch: all of them run in one worker."""
ASSIGNORS = ("range", "roundrobin", "cooperative-sticky")
"""Assignors that librdkafka has; the inventory has the name that the group has agreed on."""
TRANSACTIONS = Transactions(records=50, ms=500, abort_every=5)


def overlaps(template: Scenario) -> bool:
    """Return whether new members start next to the old ones, so that the whole fleet is restarted."""
    return any(step.step == StepName.OVERLAP_CONSUMERS for step in template.path)


def connectors_of(chosen: Chosen, template: Scenario, *, available: bool) -> FileConnectors | None:
    """Return the connectors of a batch, None if it has none, or if they are rehearsed as restarted clients.

    available: whether the testbed can run file connectors. A source connector writes to a topic whose records keep
    their timestamps, and stay.
    """
    if not available or overlaps(template):
        return None
    part = chosen.part
    groups = tuple(name for name in chosen.groups if part.groups[name].moves == "connector")
    names = [name for name in part.producers if part.batch.producers[name].moves == "connector"][:MOST_SOURCES]
    entries = [part.topics[name] for name in chosen.topics]
    topic = min(entries, key=lambda entry: (entry.timestamps == LOG_APPEND_TIME, bool(entry.compacted))).name
    return FileConnectors(groups=groups, producers=dict.fromkeys(names, topic)) if groups or names else None


def as_connectors(chosen: Chosen, template: Scenario, *, available: bool) -> Chosen:
    """Return what is rehearsed, with one member for each group that is a connector: its file can have one task."""
    its = connectors_of(chosen, template, available=available)
    if its is None:
        return chosen
    members = {name: 1 if name in its.groups else count for name, count in chosen.groups.items()}
    return replace(chosen, groups=members, connectors=its)


def restarts_of(chosen: Chosen) -> dict[str, Any] | None:
    """Return the clients of a batch that are restarted, as a scenario has them; None if all follow the cutover file."""
    part, connectors = chosen.part, chosen.connectors
    groups = tuple(
        name
        for name in chosen.groups
        if part.groups[name].moves != "shim" and (connectors is None or name not in connectors.groups)
    )
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
