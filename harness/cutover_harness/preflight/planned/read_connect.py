"""Read Connect clusters for the preflight of a plan: the mirror's, and those of connectors that move."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from cutover_harness.inventory.completeness import Gaps
from cutover_harness.inventory.connectors import CONNECTORS, shown_address
from cutover_harness.mirror.connect_access import OPEN, ConnectAccess
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.connector_configs import forward_configs
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.spec import Batch, MirrorSpec
from cutover_harness.preflight.planned.connect_facts import PLUGINS, ConnectSeen, Probe, RunningConnector
from cutover_harness.preflight.planned.scope import Scope, ScopedBatch
from cutover_harness.types import ClusterName

_TIMEOUT_S = 15.0
_PATIENCE_S = 3.0


@dataclass(frozen=True)
class ConnectAsked:
    """Where Connect is, and how its workers reach the clusters; `clusters`: librdkafka properties, with secrets."""

    url: str
    access: ConnectAccess
    clusters: Mapping[ClusterName, Mapping[str, str]]


Probing = Callable[[Connect, ConnectAsked], Probe]


def open_connect(url: str, access: ConnectAccess = OPEN) -> Connect:
    """Return a client that waits briefly for an answer."""
    return Connect(url, patience_s=_PATIENCE_S, timeout_s=_TIMEOUT_S, access=access)


def read_connect(asked: ConnectAsked, scope: Scope, probing: Probing | None) -> ConnectSeen:
    """Return the mirror's Connect. What makes it unusable is in `problem`. Raises UsageError for its own files."""
    address = shown_address(asked.url)
    try:
        with closing(open_connect(asked.url, asked.access)) as connect:
            root = connect.root()
            if "version" not in root:
                return ConnectSeen(address, "answers, but not as Kafka Connect")
            plugins = connect.plugins()
            usable = set(PLUGINS) <= set(plugins)
            invalid = {b.name: found for b in scope.batches if usable and (found := _invalid(connect, asked, b))}
            cluster_id = root.get("kafka_cluster_id")
            return ConnectSeen(
                address,
                None,
                str(root["version"]),
                None if cluster_id is None else str(cluster_id),
                plugins,
                connect.names(),
                invalid,
                None if probing is None or not usable else probing(connect, asked),
            )
    except MirrorError as why:
        return ConnectSeen(address, str(why))


def _invalid(connect: Connect, asked: ConnectAsked, batch: ScopedBatch) -> list[str]:
    """Return what Connect finds wrong with the configurations of a batch's mirror."""
    try:
        moved = Batch(batch.name, batch.planned.topics, tuple(batch.groups), batch.planned.exclude)
    except MirrorError:  # names that MirrorMaker 2 cannot handle, of which other rules tell
        return []
    try:
        configs = forward_configs(mirror_spec(asked, moved))
    except MirrorError as why:
        return [str(why)]
    found: list[str] = []
    for config in configs.values():
        found += [error for error in connect.validate(config) if error not in found]
    return found


def mirror_spec(asked: ConnectAsked, batch: Batch) -> MirrorSpec:
    """Return the settings of the mirror as the conductor makes them."""
    return MirrorSpec(batch, asked.url, asked.clusters["source"], asked.clusters["target"], access=asked.access)


def read_movers(
    asked: ConnectAsked | None, others: Sequence[tuple[str, ConnectAccess]], scope: Scope, gaps: Gaps
) -> dict[str, RunningConnector]:
    """Return the connectors that the plan moves, as far as they exist; a Connect that does not answer is a gap.

    others: addresses of Connect clusters besides the mirror's, and the access to each.
    """
    movers = [mover for batch in scope.batches for mover in batch.planned.movers]
    names = {mover.connector for mover in movers if mover.connector is not None}
    found: dict[str, RunningConnector] = {}
    places = [] if asked is None else [(asked.url, asked.access)]
    for url, access in [*others, *places]:
        if not names - found.keys():
            break
        try:
            with closing(open_connect(url, access)) as connect:
                found |= _running(connect, sorted(names - found.keys()))
        except MirrorError as why:
            gaps.add(CONNECTORS, "failed", str(why))
    return found


def _running(connect: Connect, names: Sequence[str]) -> dict[str, RunningConnector]:
    found = {}
    for name in names:
        if (status := connect.status(name)) is None:
            continue
        config = connect.config(name) or {}
        sink = "topics" in config or "topics.regex" in config
        group = config.get("consumer.override.group.id") or f"connect-{name}"
        found[name] = RunningConnector(status.connector, status.tasks, group if sink else None, status.failure)
    return found
