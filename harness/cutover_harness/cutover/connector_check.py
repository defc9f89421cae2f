"""Whether the connectors of a batch can be moved, and its fence can be made, before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from cutover_harness.admin import Admin
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.connect_clusters import CREATES_STOPPED, ConnectClusters, version_of
from cutover_harness.conductor.write_fence import refuse_without_rights
from cutover_harness.errors import UsageError
from cutover_harness.procedure.connectors import ConnectorState, MovedConnector, judge_running
from cutover_harness.types import ClusterName, Role
from cutover_harness.words import listed

_STOPS = (3, 5)
_BOOTSTRAP = "bootstrap.servers"


def check_connectors(config: ConductorConfig, source: Admin, target: Admin) -> None:
    """Raise UsageError, in one line, for the first reason why the connectors of a batch cannot be moved.

    Reads Connect, and changes nothing.
    """
    with closing(config.connects(source.cluster_id, target.cluster_id)) as clusters:
        for name in sorted({each.cluster for each in config.connectors}):
            mine = [each for each in config.connectors if each.cluster == name]
            if (why := _cluster_problem(clusters, name, mine)) is not None:
                raise UsageError(f"connect_clusters.{name}: {why}")
            for each in mine:
                client = clusters.client(name, "source")
                why = connector_problem(
                    each, client.kind(each.name), client.config(each.name) or {}, clusters.state(each, "source")
                )
                if why is not None:
                    raise UsageError(f"batch {config.route}: connector {each.name} on Connect {name}: {why}")


def _cluster_problem(clusters: ConnectClusters, name: str, mine: list[MovedConnector]) -> str | None:
    places: list[ClusterName] = ["source"] if mine[0].repointed else ["source", "target"]
    for place in places:
        client = clusters.client(name, place)
        if (why := lacking(client.root(), {each.role for each in mine})) is not None:
            return why
        if (away := clusters.works_elsewhere(name, place)) is not None:
            return f"{away}: it has to work on {place}"
    if mine[0].repointed and (others := sorted(set(clusters.client(name, "source").names()) - {c.name for c in mine})):
        return (
            f"also has {listed(others)}, which would not run once its workers work on the target: put them into this "
            f"batch, delete them, or give the Connect cluster a target"
        )
    return None


def lacking(root: Mapping[str, object], roles: set[Role]) -> str | None:
    """Return what a Connect cluster cannot do that moving connectors of these roles needs, None if nothing is known."""
    version = version_of(root)
    if version is not None and version < _STOPS:
        return (
            f"is Connect {root['version']}, which cannot stop a connector (3.5), and a paused one stays in its group: "
            f"write moves: restart, with commands that stop and start the workers"
        )
    if version is not None and version < CREATES_STOPPED and "producer" in roles:
        return (
            f"is Connect {root['version']}, which cannot create a connector stopped (3.7): a source connector would "
            f"begin again: write moves: restart, with commands that carry over its offsets"
        )
    return None


def connector_problem(
    connector: MovedConnector, kind: str | None, config: Mapping[str, str], state: ConnectorState
) -> str | None:
    """Return why a connector cannot be moved, None if it can. kind: source or sink, None if there is no such one."""
    wanted = "sink" if connector.role == "consumer" else "source"
    if kind is None:
        return "there is no connector of this name: correct it in the plan"
    if kind != wanted:
        return f"is a {kind} connector, and the plan has it under {'groups' if wanted == 'sink' else 'producers'}"
    group = config.get("consumer.override.group.id") or f"connect-{connector.name}"
    if wanted == "sink" and group != connector.client:
        return f"reads as group {group}, and the plan has it as {connector.client}: correct the plan"
    if own := sorted(key for key in config if key.endswith(_BOOTSTRAP)):
        return (
            f"has {listed(own)} in its configuration, which does not change when Connect is pointed to the target: "
            f"write moves: restart, with commands that change it"
        )
    return judge_running(connector, state, 0, "source")[0]


def check_fence(config: ConductorConfig, source: Admin) -> None:
    """Raise UsageError if the batch has a fence that cannot be made."""
    if config.fence:
        refuse_without_rights(config.route, config.fence, source.config)
