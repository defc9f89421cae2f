"""Read everything that the rules need. Nothing is changed on any cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cutover_harness.inventory.completeness import Gaps
from cutover_harness.inventory.opening import opened_calls
from cutover_harness.mirror.connect_access import ConnectAccess
from cutover_harness.mirror.spec import untranslatable
from cutover_harness.planning.model import PlanFile
from cutover_harness.preflight.model import Client, Cluster
from cutover_harness.preflight.planned.facts import Facts, ShimFleet
from cutover_harness.preflight.planned.needs import demands_of
from cutover_harness.preflight.planned.probe import prober
from cutover_harness.preflight.planned.read_connect import ConnectAsked, read_connect, read_movers
from cutover_harness.preflight.planned.read_seen import SeenReader
from cutover_harness.preflight.planned.refusals import read_refusals
from cutover_harness.preflight.planned.scope import scope_of
from cutover_harness.token_bucket import TokenBucket
from cutover_harness.types import ClusterName

RATE = 200.0
"""Most requests to brokers per second, as for an inventory."""


@dataclass(frozen=True)
class Asked:
    """What a preflight of a plan is asked for; `clusters`: librdkafka properties.

    batches: names or globs of those to check, all if empty. worker: principal of Connect's workers. connect: of the
    mirror; others: Connect clusters whose connectors move. probe: whether a connector may be created.
    """

    plan: PlanFile
    clusters: Mapping[ClusterName, Mapping[str, str]]
    batches: Collection[str] = ()
    clients: Mapping[str, Client] = field(default_factory=dict)
    target_acks: str | None = None
    worker: str | None = None
    connect: ConnectAsked | None = None
    others: tuple[tuple[str, ConnectAccess], ...] = ()
    probe: bool = False


def read_facts(asked: Asked, fleet: ShimFleet | None, gaps: Gaps, tell: Callable[[str], None]) -> Facts:
    """Return the facts. Raises UsageError if a cluster does not answer; everything else is a gap."""
    pace = TokenBucket(RATE)
    with ExitStack() as stack:
        opened = {
            name: stack.enter_context(opened_calls(name, config, gaps, pace, tell))
            for name, config in asked.clusters.items()
        }
        readers = {name: SeenReader(*calls, asked.clusters[name]) for name, calls in opened.items()}
        scope = scope_of(asked.plan, readers["source"].names, asked.batches)
        demands = demands_of(scope)
        seen = {
            name: reader.read(
                scope.topics,
                scope.groups,
                [each for each in demands if each.need.cluster == name],
                source=name == "source",
            )
            for name, reader in readers.items()
        }
        known = seen["source"].cluster.topics
        missing = {name: known[name] for name in scope.topics if name not in seen["target"].names}
        refusals = read_refusals(opened["target"][0], missing)
    probing = prober(_with_offsets(seen["source"].cluster), tell) if asked.probe else None
    connect = None if asked.connect is None else read_connect(asked.connect, scope, probing)
    connectors = read_movers(asked.connect, asked.others, scope, gaps)
    return Facts(
        scope,
        seen,
        datetime.now(UTC),
        fleet,
        refusals,
        asked.clients,
        asked.target_acks,
        asked.worker,
        gaps.all,
        connect,
        connectors,
    )


def _with_offsets(cluster: Cluster) -> str | None:
    """Return a group that has committed offsets, and whose name MirrorMaker 2 can handle."""
    names = (name for name, group in sorted(cluster.groups.items()) if group.offsets)
    return next((name for name in names if untranslatable(name) is None), None)
