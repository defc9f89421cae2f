"""The conductor that moves one batch: its configuration and its process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cutover_harness.conductor.config import CONFIG, JOURNAL, ConductorConfig
from cutover_harness.conductor.observer import Observer
from cutover_harness.plan.batch import ResolvedBatch
from cutover_harness.plan.scenario import Scenario
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.restarted import RestartedClient
from cutover_harness.rehearsal.answers import Answers, Restarted, asks, producers_of
from cutover_harness.rehearsal.conductor_process import ConductorProcess
from cutover_harness.rehearsal.connectors.moving import BatchConnectors
from cutover_harness.rehearsal.migration import Migration
from cutover_harness.replay.fleet import Fleet
from cutover_harness.testbed import Testbed
from cutover_harness.types import Role


def new_conductor(
    scenario: Scenario,
    batch: ResolvedBatch,
    testbed: Testbed,
    fleet: Fleet,
    migration: Migration,
    *,
    run_folder: Path,
    patience_s: float,
    faults: bool,
    observer: Observer,
    answer: Answers,
    moved: Restarted | None,
    connectors: BatchConnectors | None,
) -> ConductorProcess:
    """Return the conductor of `batch`, not started; its configuration is saved. The fleet has to be started.

    faults: whether any hit while the batch moves. moved: its clients that are restarted, None if there are none.
    connectors: those of the batch.
    """
    folder = run_folder / "batches" / batch.name if scenario.batches else run_folder
    folder.mkdir(parents=True, exist_ok=True)
    everything = scenario.fleet.apps == "restart"
    silent = None if everything else moved
    clients: dict[str, Role] = {
        name: "producer"
        for name in producers_of(scenario, batch, fleet)
        if silent is None or name not in silent.producers
    }
    for group in batch.groups:
        if silent is None or group not in silent.groups:
            clients |= dict.fromkeys(fleet.instances("consumer", group), "consumer")
    restarts = [] if silent is None else _restarts(scenario, silent, patience_s)
    growth = scenario.growth
    path = (batch.of.path if batch.of is not None else None) or scenario.path
    gates = (batch.of.gates if batch.of is not None else None) or scenario.gates
    turns_around = any(step.step == StepName.REVERSE_MIRROR for step in path)
    config = ConductorConfig(
        route=batch.name,
        topics=list(batch.patterns),
        exclude=list(batch.exclude),
        groups=list(batch.groups),
        clients=clients,
        members=dict(scenario.fleet.groups) if everything else None,
        restarts=[*restarts, *(connectors.restarts if connectors is not None else ())],
        connectors=[] if connectors is None else connectors.moved,
        connect_clusters=[] if connectors is None else [connectors.cluster],
        steps=list(path),
        gates=gates.on(patience_s),
        preconditions=[(step, what) for what, steps in scenario.preconditions.items() for step in steps],
        traffic_within_s=patience_s,
        asks=asks(
            scenario,
            faults=faults,
            growth=growth is not None and batch.has(growth.like),
            restarts=moved is not None,
        ),
        on_missed=scenario.on_missed,
        connect_url=testbed.connect_url,
        reverse_connect_url=testbed.reverse_connect_url() if turns_around else None,
        connect_logs=list(testbed.connect_logs),
        secrets_folder=testbed.secrets_folder,
        compare_rate=scenario.mirror.compare_rate,
        connect_bootstrap={c.name: c.connect_bootstrap for c in (testbed.source, testbed.target)},
        exactly_once=testbed.exactly_once,
        access=testbed.access,
        prefix=testbed.prefix,
        cutover_file=migration.cutover_file,
        channels=list(migration.channels),
        key=migration.key,
        statuses=fleet.status_dir,
        journal=(folder / JOURNAL).absolute(),
    )
    config.save(folder / CONFIG, run=run_folder)
    return ConductorProcess(config, folder, observer, answer, _check(scenario, fleet))


def _check(scenario: Scenario, fleet: Fleet) -> Callable[[], None]:
    """Return a function that raises if an app died by itself; not for scenarios in which faults stop apps."""
    stopped = {"producer", "consumer"} & {fault.of for fault in scenario.faults}
    return (lambda: None) if stopped else fleet.check


def _restarts(scenario: Scenario, moved: Restarted, patience_s: float) -> list[RestartedClient]:
    """Return the clients without the shim for the gates on them; the rehearsal stops and starts them."""
    groups = [
        RestartedClient(group, "consumer", scenario.fleet.groups[group], patience_s, hooked=True)
        for group in moved.groups
    ]
    return [*groups, *(RestartedClient(name, "producer", 1, patience_s, hooked=True) for name in moved.producers)]
