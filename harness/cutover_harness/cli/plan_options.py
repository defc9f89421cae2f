"""Options of `rehearse` that take scenarios from a plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cutover_harness.errors import UsageError
from cutover_harness.plan.scenario import Scenario
from cutover_harness.planning.read import ReadPlan
from cutover_harness.rehearsal.planned.limits import Limits
from cutover_harness.rehearsal.planned.read import read_source
from cutover_harness.rehearsal.planned.retention import retention_in_hours
from cutover_harness.rehearsal.planned.scenarios import named_scenarios, scenarios_of
from cutover_harness.rehearsal.planned.source import Source
from cutover_harness.rehearsal.settings import FILE_CONNECTORS, PlanSettings, TestbedKind

BELONGS = ("batch", "max_topics", "max_partitions", "max_apps", "max_rate")
"""Options that need --plan."""


@dataclass(frozen=True)
class PlanOptions:
    """The plan that is rehearsed, and how much of it. Fields are None if the option is not given."""

    plan: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rehearse the batches of a plan, and all of them in their order."),
    ] = None
    batch: Annotated[
        list[str] | None,
        typer.Option("--batch", metavar="NAME", help="[plan] Rehearse this batch; repeatable (default: all)."),
    ] = None
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Policy of the report (default: the plan's, or --out's).")
    ] = None
    max_topics: Annotated[
        int | None, typer.Option(metavar="N", help=f"[plan] Topics of a scenario (default: {Limits.topics}).")
    ] = None
    max_partitions: Annotated[
        int | None, typer.Option(metavar="N", help=f"[plan] Partitions of a scenario (default: {Limits.partitions}).")
    ] = None
    max_apps: Annotated[
        int | None,
        typer.Option(metavar="N", help=f"[plan] Producers and group members of a scenario (default: {Limits.apps})."),
    ] = None
    max_rate: Annotated[
        float | None,
        typer.Option(metavar="N", help=f"[plan] Generated records per second (default: {Limits.records_per_s:g})."),
    ] = None

    def limits(self) -> Limits:
        """Return the limits, with their defaults. Raises UsageError."""
        given: dict[str, Any] = {
            "topics": self.max_topics,
            "partitions": self.max_partitions,
            "apps": self.max_apps,
            "records_per_s": self.max_rate,
        }
        for option, least, name in (
            ("--max-topics", 1, "topics"),
            ("--max-partitions", 1, "partitions"),
            ("--max-apps", 2, "apps"),
            ("--max-rate", 1, "records_per_s"),
        ):
            if given[name] is not None and given[name] < least:
                raise UsageError(f"{option} {given[name]:g}: must be {least} or more")
        return replace(Limits(), **{name: value for name, value in given.items() if value is not None})

    def refuse_without_plan(self) -> None:
        """Raise UsageError if an option was given that needs --plan."""
        for name in BELONGS:
            if getattr(self, name) not in (None, []):
                raise UsageError(f"--{name.replace('_', '-')}: needs --plan FILE")


@dataclass(frozen=True)
class FromPlan:
    """Scenarios of a plan, their settings, and the policy that the plan names."""

    scenarios: list[Scenario]
    settings: PlanSettings
    policy: Path | None


def from_plan(
    options: PlanOptions, plan: Path, capture: Path | None, named: list[Scenario], kind: TestbedKind = "process"
) -> FromPlan:
    """Return the scenarios of `plan`: its own paths, or those in `named` with its batches. Raises UsageError."""
    limits, batches = options.limits(), options.batch or []
    read, source = read_source(plan, capture, batches)
    source = replace(source, connectors=kind in FILE_CONNECTORS)
    found = named_scenarios(source, limits, named, batches) if named else scenarios_of(source, limits, batches)
    return FromPlan(
        scenarios=[each.scenario for each in found],
        settings=PlanSettings(
            facts=_facts(source, batches),
            planned={each.scenario.name: each.planned for each in found},
            replayed=capture is not None,
        ),
        policy=None if read.plan.policy is None else _policy(read),
    )


def _facts(source: Source, batches: list[str]) -> dict[str, Any]:
    about = source.about
    return {
        "name": about.name,
        "file": about.file,
        "sha256": about.sha256,
        "inventory": about.inventory,
        "inventory_sha256": about.inventory_sha256,
        "batches": [batch.name for batch in source.plan.batches if not batches or batch.name in batches],
        "all_batches": [batch.name for batch in source.plan.batches],
        "paths": {b.name: b.path if isinstance(b.path, str) else "own steps" for b in source.plan.batches},
        **retention_in_hours(source),
    }


def _policy(read: ReadPlan) -> Path:
    name = str(read.plan.policy)
    file = read.file(name)
    if not file.is_file():
        raise UsageError(f"{read.path}: policy: {name}: no such file: correct it, or give another one with --policy")
    return file
