"""The conductor's configuration for a batch of a plan. Reads no cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cutover_harness.conductor.config import JOURNAL, ConductorConfig
from cutover_harness.conductor.journalled_gates import When
from cutover_harness.conductor.statuses import place_of
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.errors import UsageError
from cutover_harness.mirror import OPEN
from cutover_harness.mirror.connect_properties import read_connect_properties
from cutover_harness.planning.model import Mover, PlannedBatch
from cutover_harness.planning.paths import steps_of
from cutover_harness.planning.read import ReadPlan
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.restarted import RestartedClient
from cutover_harness.procedure.steps import STEPS
from cutover_harness.types import Role

_ASKED_WITHIN_S = 900.0
_FILE = re.compile(r"\$\{file:([^}]+)\}")


def restarts_of(batch: PlannedBatch) -> list[RestartedClient]:
    """Return the batch's clients without the shim."""
    both: tuple[tuple[Role, Mapping[str, Mover]], ...] = (("consumer", batch.groups), ("producer", batch.producers))
    return [
        RestartedClient(name, role, mover.instances, mover.within_s, mover.on_stop is not None)
        for role, movers in both
        for name, mover in movers.items()
        if mover.moves == "restart"
    ]


def asks_of(batch: PlannedBatch) -> list[tuple[StepName, When]]:
    """Return the steps at which the conductor asks for commands of the plan; any may be needed, on the way back too."""
    hooked = any(mover.on_stop or mover.on_start for mover in batch.movers)
    return [(step.name, "move") for step in STEPS if step.moves_apps] if hooked else []


def fields_of(batch: PlannedBatch) -> dict[str, Any]:
    """Return the fields of the conductor's configuration that follow from the batch alone."""
    return {
        "route": batch.name,
        "topics": list(batch.topics),
        "exclude": list(batch.exclude),
        "groups": list(batch.groups),
        "restarts": restarts_of(batch),
        "steps": steps_of(batch),
        "gates": batch.gates,
        "approvals": True,
        "asks": asks_of(batch),
    }


def config_of(
    plan: ReadPlan,
    batch: PlannedBatch,
    run: RunFolder,
    clients: Mapping[str, Role],
    *,
    accept_unproved: bool = False,
) -> ConductorConfig:
    """Return the configuration of the batch's conductor. Raises UsageError if the plan lacks what it needs."""
    content = plan.plan
    if content.connect is None:
        raise UsageError(f"{plan.path}: connect: is missing: name the Kafka Connect cluster that runs MirrorMaker 2")
    if content.statuses is None:
        raise UsageError(f"{plan.path}: statuses: is missing: name the folder or kafka:TOPIC that clients report to")
    place = place_of(content.statuses)
    file = content.connect.properties
    access = OPEN if file is None else read_connect_properties(plan.file(file))
    return ConductorConfig(
        **fields_of(batch),
        clients=dict(clients),
        asked_within_s=max([_ASKED_WITHIN_S, *(2 * mover.within_s for mover in batch.movers)]),
        plan=plan.path.absolute(),
        accept_unproved=accept_unproved,
        compare_rate=content.compare_rate,
        connect_url=content.connect.url,
        access=access,
        cutover_file=_cutover_file(plan, run),
        channels=[way.channel for way in content.reach if way.file is None],
        key=key_of(plan),
        source_properties=plan.file(content.clusters.source.properties).absolute(),
        target_properties=plan.file(content.clusters.target.properties).absolute(),
        statuses=place if isinstance(place, str) else plan.file(content.statuses).absolute(),
        journal=(run.batch(batch.name) / JOURNAL).absolute(),
    )


def _cutover_file(plan: ReadPlan, run: RunFolder) -> Path:
    """Return the cutover file; for a fleet without one, a copy in the run's folder that only the conductor reads."""
    files = [way.file for way in plan.plan.reach if way.file is not None]
    if len(files) > 1:
        raise UsageError(f"{plan.path}: reach: has {len(files)} files, and a conductor writes one: leave the rest out")
    if not plan.plan.reach:
        raise UsageError(f"{plan.path}: reach: is empty: name the channels that the clients follow")
    return (plan.file(files[0]) if files else run.path / "cutover.toml").absolute()


def key_of(plan: ReadPlan) -> str | None:
    """Return the references to the keys; files are relative to the plan's folder."""
    if plan.plan.key is None:
        return None
    return _FILE.sub(lambda found: f"${{file:{plan.file(found[1]).absolute()}}}", plan.plan.key)
