"""The conductor's configuration for a batch of a plan. Reads no cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cutover_harness.conductor.config import JOURNAL, ConductorConfig
from cutover_harness.conductor.connect_clusters import ConnectCluster
from cutover_harness.conductor.journalled_gates import When
from cutover_harness.conductor.statuses import place_of
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.errors import UsageError
from cutover_harness.mirror import OPEN, ConnectAccess
from cutover_harness.mirror.connect_properties import read_connect_properties
from cutover_harness.planning.model import Connect, Mover, PlanFile, PlannedBatch
from cutover_harness.planning.paths import steps_of
from cutover_harness.planning.read import ReadPlan
from cutover_harness.procedure.connectors import MovedConnector
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.restarted import RestartedClient
from cutover_harness.procedure.steps import STEPS
from cutover_harness.types import Role

_ASKED_WITHIN_S = 900.0
_FILE = re.compile(r"\$\{file:([^}]+)\}")


def restarts_of(batch: PlannedBatch) -> list[RestartedClient]:
    """Return the batch's clients without the shim, connectors among them."""
    return [
        RestartedClient(name, role, mover.instances, mover.within_s, mover.moves == "connector" or bool(mover.on_stop))
        for role, name, mover in _movers(batch)
        if mover.moves != "shim"
    ]


def connectors_of(plan: PlanFile, batch: PlannedBatch) -> list[MovedConnector]:
    """Return the connectors that the batch moves. Raises UsageError if the plan lacks the Connect cluster of one."""
    found = []
    for role, name, mover in _movers(batch):
        if mover.connector is None:
            continue
        kind = "groups" if role == "consumer" else "producers"
        if mover.connect is None or mover.connect not in plan.connect_clusters:
            known = ", ".join(plan.connect_clusters)
            raise UsageError(
                f"batch {batch.name}: {kind}.{name}.connect: is {mover.connect or 'missing'}: name the Connect cluster "
                f"that runs connector {mover.connector}, "
                + (f"one of {known}" if known else "and add it to connect_clusters")
            )
        repointed = plan.connect_clusters[mover.connect].target is None
        found.append(MovedConnector(mover.connector, name, role, mover.connect, repointed, mover.within_s))
    return found


def _movers(batch: PlannedBatch) -> Iterator[tuple[Role, str, Mover]]:
    both: tuple[tuple[Role, Mapping[str, Mover]], ...] = (("consumer", batch.groups), ("producer", batch.producers))
    for role, movers in both:
        for name, mover in movers.items():
            yield role, name, mover


def asks_of(batch: PlannedBatch) -> list[tuple[StepName, When]]:
    """Return the steps at which the conductor asks for commands of the plan; any may be needed, on the way back too."""
    hooked = any(mover.on_stop or mover.on_start or mover.connector for mover in batch.movers)
    return [(step.name, "move") for step in STEPS if step.moves_apps] if hooked else []


def fields_of(plan: PlanFile, batch: PlannedBatch) -> dict[str, Any]:
    """Return the fields of the conductor's configuration that follow from the plan's text alone."""
    return {
        "route": batch.name,
        "topics": list(batch.topics),
        "exclude": list(batch.exclude),
        "groups": list(batch.groups),
        "restarts": restarts_of(batch),
        "connectors": connectors_of(plan, batch),
        "fence": list(batch.fence),
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
) -> ConductorConfig:
    """Return the configuration of the batch's conductor. Raises UsageError if the plan lacks what it needs."""
    content = plan.plan
    if content.connect is None:
        raise UsageError(f"{plan.path}: connect: is missing: name the Kafka Connect cluster that runs MirrorMaker 2")
    if content.statuses is None:
        raise UsageError(f"{plan.path}: statuses: is missing: name the folder or kafka:TOPIC that clients report to")
    place = place_of(content.statuses)
    return ConductorConfig(
        **fields_of(content, batch),
        clients=dict(clients),
        asked_within_s=max([_ASKED_WITHIN_S, *(2 * mover.within_s for mover in batch.movers)]),
        plan=plan.path.absolute(),
        compare_rate=content.compare_rate,
        lease_s=content.lease_s,
        connect_url=_references(plan, content.connect.url),
        access=_access(plan, content.connect),
        connect_clusters=_connect_clusters(plan, batch),
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


def _connect_clusters(plan: ReadPlan, batch: PlannedBatch) -> list[ConnectCluster]:
    """Return the Connect clusters of the batch's connectors."""
    named = {mover.connect for mover in batch.movers}
    return [
        ConnectCluster(
            name=name,
            url=_references(plan, its.url),
            access=_access(plan, its),
            target_url=None if its.target is None else _references(plan, its.target.url),
            target_access=OPEN if its.target is None else _access(plan, its.target),
        )
        for name, its in plan.plan.connect_clusters.items()
        if name in named
    ]


def _access(plan: ReadPlan, connect: Connect) -> ConnectAccess:
    return OPEN if connect.properties is None else read_connect_properties(plan.file(connect.properties))


def key_of(plan: ReadPlan) -> str | None:
    """Return the references to the keys; files are relative to the plan's folder."""
    return None if plan.plan.key is None else _references(plan, plan.plan.key)


def _references(plan: ReadPlan, text: str) -> str:
    """Return a text whose references to files are absolute."""
    return _FILE.sub(lambda found: f"${{file:{plan.file(found[1]).absolute()}}}", text)
