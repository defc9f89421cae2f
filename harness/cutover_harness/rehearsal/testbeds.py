"""The testbed of a rehearsal by its kind, and the mirrors on it."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.faults.nodes import Machine
from cutover_harness.mirror import Batch, Mirror, MirrorSpec
from cutover_harness.mirror.client_properties import seen_by_connect
from cutover_harness.plan.batch import ResolvedBatch
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.settings import FILE_CONNECTORS, NEEDS_PROCESSES, Settings, TestbedKind
from cutover_harness.testbed import ProcessTestbed, Testbed
from cutover_harness.testbed.automq import AutomqTestbed
from cutover_harness.testbed.base import TargetKind
from cutover_harness.testbed.docker.testbed import DockerTestbed
from cutover_harness.testbed.existing.testbed import ExistingTestbed, check_clusters
from cutover_harness.testbed.timing import TIMINGS, Timing

SEVERAL: tuple[TestbedKind, ...] = ("process",)
"""The kinds of testbed whose clusters can have several brokers."""


def new_testbed(settings: Settings, workdir: Path, brokers: int = 1) -> Testbed:
    """Return a testbed of the kind that `settings` asks for, not started yet, which writes below `workdir`.

    `brokers`: of each cluster, on kinds that can have several. Raises UsageError if this environment cannot have one.
    """
    if settings.testbed == "docker":
        return DockerTestbed(
            workdir,
            settings.docker,
            exactly_once=settings.exactly_once,
            ports=settings.ports,
            target_ack_delay_ms=settings.target_ack_delay_ms,
        )
    if settings.testbed == "existing" and settings.existing is not None:
        return ExistingTestbed(workdir, settings.existing, exactly_once=settings.exactly_once)
    source_port, target_port, connect_port = settings.ports or (None, None, None)
    if settings.testbed == "automq" and settings.automq is not None:
        return AutomqTestbed(
            workdir,
            settings.automq,
            source_version=settings.source_version,
            exactly_once=settings.exactly_once,
            source_port=source_port,
            target_port=target_port,
            connect_port=connect_port,
        )
    return ProcessTestbed(
        workdir,
        source_version=settings.source_version,
        brokers=brokers,
        exactly_once=settings.exactly_once,
        target_ack_delay_ms=settings.target_ack_delay_ms,
        source_port=source_port,
        target_port=target_port,
        connect_port=connect_port,
    )


def brokers_of(scenario: Scenario, settings: Settings) -> int:
    """Return how many brokers each cluster has."""
    return scenario.brokers if settings.brokers is None else settings.brokers


def unavailable(scenario: Scenario, settings: Settings) -> str | None:
    """Return why this kind of testbed cannot rehearse a scenario, None if it can."""
    brokers = brokers_of(scenario, settings)
    for fault in scenario.faults:
        if fault.least_brokers > brokers:
            return f"fault {fault.name} needs {fault.least_brokers} brokers a cluster, and --brokers is {brokers}"
    if settings.testbed not in FILE_CONNECTORS and any(each.connectors for each in scenario.batches.values()):
        return NEEDS_PROCESSES
    if settings.testbed != "existing":
        if brokers > 1 and settings.testbed not in SEVERAL:
            return f"it has {brokers} brokers a cluster, and --testbed {settings.testbed} has one"
        return None
    for fault in scenario.faults:
        if fault.of in get_args(Machine):
            return (
                f"fault {fault.name} is unavailable: it needs the machine of {fault.of}, and existing clusters run on "
                f"machines that are not the rehearsal's"
            )
    return None


def check_testbed(scenarios: Sequence[Scenario], settings: Settings, *, named: bool) -> None:
    """Raise UsageError if existing clusters, or their Connect, lack something, or a scenario is unavailable.

    Unless the user has `named` them, those that are available are rehearsed. Nothing is created.
    """
    reasons = {scenario.name: why for scenario in scenarios if (why := unavailable(scenario, settings)) is not None}
    if reasons and (named or len(reasons) == len(scenarios)):
        name, why = next(iter(reasons.items()))
        raise UsageError(f"scenario {name}: {why}: leave it out, or rehearse it on another testbed")
    if settings.existing is not None:
        check_clusters(settings.existing, settings.existing.new_prefix(), exactly_once=settings.exactly_once)


@dataclass(frozen=True)
class StartedTestbed:
    """A testbed that runs. environment: its description. timing: what its kind and this machine need."""

    testbed: Testbed
    environment: dict[str, str]
    target_kind: TargetKind
    timing: Timing


def start_testbed(
    settings: Settings, folder: Path, note: Callable[[str], None], cleanup: contextlib.ExitStack, brokers: int = 1
) -> StartedTestbed:
    """Start a testbed with so many brokers a cluster below `folder`.

    When `cleanup` is closed it is stopped, its logs are kept, its data is removed.
    Raises UsageError if it does not start.
    """
    workdir = folder / "testbed"
    testbed = new_testbed(settings, workdir, brokers)
    if not settings.keep:
        cleanup.callback(shutil.rmtree, workdir, ignore_errors=True)
    cleanup.callback(_keep_logs, workdir / "logs", folder / "logs", note)
    begin = time.monotonic()
    testbed.start(note)
    start_s = time.monotonic() - begin
    cleanup.enter_context(testbed)
    kind = testbed.target_kind
    return StartedTestbed(testbed, testbed.describe(), kind, TIMINGS[kind].of(brokers).on(start_s))


def _keep_logs(logs: Path, kept: Path, note: Callable[[str], None]) -> None:
    """Copy the logs; a run whose logs cannot be kept is judged nevertheless."""
    if not logs.is_dir():
        return
    try:
        shutil.copytree(logs, kept, dirs_exist_ok=True)
    except OSError as why:
        note(f"{kept}: logs cannot be kept: {in_one_line(why)[:300]}")


def mirror_on(testbed: Testbed, batch: ResolvedBatch) -> Mirror:
    """Return a mirror of `batch` between the clusters of `testbed`."""
    return Mirror(
        MirrorSpec(
            Batch(batch.name, batch.patterns, batch.groups, batch.exclude, testbed.prefix),
            testbed.connect_url,
            seen_by_connect(testbed.source.client_config(), testbed.source.connect_bootstrap),
            seen_by_connect(testbed.target.client_config(), testbed.target.connect_bootstrap),
            exactly_once=testbed.exactly_once,
            access=testbed.access,
        )
    )
