"""The context of a rehearsal's faults: processes, clusters, topics and the cutover file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from cutover_harness.admin import Admin
from cutover_harness.conductor.statuses import FolderStatuses, read_statuses
from cutover_harness.faults.context import CutoverFileContext, FaultContext, TopicsContext
from cutover_harness.faults.layout import Layout
from cutover_harness.faults.one_broker import leading
from cutover_harness.mirror import Mirror
from cutover_harness.mirror.log_reader import LogReader
from cutover_harness.plan.batch import ResolvedBatch
from cutover_harness.rehearsal.control_topic import NAME, ControlTopic
from cutover_harness.rehearsal.migration import Migration
from cutover_harness.rehearsal.mounts import Mounts
from cutover_harness.replay.fleet import Fleet
from cutover_harness.testbed import Cluster, Node, Testbed
from cutover_harness.types import ClusterName


def fault_context(
    testbed: Testbed,
    fleet: Fleet,
    batch: ResolvedBatch,
    migration: Migration,
    mirror: Callable[[], Mirror],
    mounts: Mounts | None,
    patience_s: float,
) -> FaultContext:
    """Return the context of faults, which hit while `batch` moves."""
    cutover_file, configs = migration.cutover_file, migration.endpoints
    statuses = FolderStatuses(fleet.status_dir)
    return FaultContext(
        fleet=fleet,
        cutover_file=CutoverFileContext(
            cutover_file,
            cutover_file.read_bytes(),
            lambda: list(read_statuses(statuses, batch.name).values()),
        ),
        topics=TopicsContext(
            {name: migration.topics[name] for name in batch.topics},
            batch.groups,
            admin=lambda cluster: Admin(configs[cluster]),
            log_reader=lambda cluster: contextlib.closing(LogReader(configs[cluster], cluster)),
            mirror=mirror,
        ),
        mounts=mounts,
        control=ControlTopic(testbed.prefix + NAME, configs) if migration.channels else None,
        patience_s=patience_s,
        nodes=_nodes(testbed, fleet, list(batch.topics), patience_s),
        cluster=lambda name: _cluster(testbed, name),
    )


def _cluster(testbed: Testbed, name: ClusterName) -> Cluster:
    return testbed.source if name == "source" else testbed.target


def _nodes(testbed: Testbed, fleet: Fleet, topics: Sequence[str], patience_s: float) -> dict[str, Callable[[], Node]]:
    """Return the process that each victim of a fault means; for a role of the fleet its first instance."""

    def leader(name: ClusterName) -> Node:
        cluster = _cluster(testbed, name)
        layout = Layout(cluster.client_config())
        return leading(cluster, lambda: layout.of(topics), patience_s)

    return {
        "connect": lambda: testbed.worker,
        "source": lambda: testbed.source,
        "target": lambda: testbed.target,
        "source-broker": lambda: leader("source"),
        "target-broker": lambda: leader("target"),
        "producer": lambda: fleet.member(fleet.instances("producer")[0]),
        "consumer": lambda: fleet.member(fleet.instances("consumer")[0]),
    }
