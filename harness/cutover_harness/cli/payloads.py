"""What the steps of a run send to Connect and to the clusters, for `run --dry-run`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from urllib.parse import quote

import typer
from confluent_kafka import KafkaException
from cutover_shim.cutover_file import SENSITIVE

from cutover_harness.admin import Admin
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.connect_clusters import ConnectClusters
from cutover_harness.cutover.from_scratch import shown
from cutover_harness.errors import UsageError
from cutover_harness.mirror.connector_configs import forward_configs
from cutover_harness.procedure.connectors import MovedConnector, Offset
from cutover_harness.procedure.denials import wanted
from cutover_harness.procedure.state import Moved, role_of
from cutover_harness.types import Location

_SHOWN = frozenset(
    {
        "name",
        "connector.class",
        "tasks.max",
        "topic",
        "topics",
        "topics.regex",
        "key.converter",
        "value.converter",
        "header.converter",
        "transforms",
        "predicates",
        "errors.tolerance",
        "errors.deadletterqueue.topic.name",
        "consumer.override.group.id",
    }
)
"""Fields of Connect itself. What a field of a plugin contains is not known: its value may be a secret."""


def print_forgotten(config: ConductorConfig) -> None:
    """Print what `--from-scratch` removes."""
    typer.echo(shown(config))


def print_connectors(config: ConductorConfig) -> None:
    """Print the connectors of the mirror; values that may be secret are masked."""
    source, target = config.clusters("")
    with config.mirror(source, target) as mirror:
        spec = mirror.spec
    for connector, content in forward_configs(spec).items():
        typer.echo(f"  PUT /connectors/{connector}/config")
        for key, value in sorted(content.items()):
            typer.echo(f"    {key}={'***' if SENSITIVE.search(key) else value}")


def print_offsets(config: ConductorConfig, source: Admin) -> None:
    """Print the offsets that the groups have committed on the source. Raises UsageError."""
    typer.echo("  the offsets are computed when the groups are held; committed on the source now:")
    for group in config.groups:
        try:
            committed = source.committed(group)
        except KafkaException as why:
            raise UsageError(f"source: the offsets of {group} cannot be read: {why.args[0].str()}") from None
        mine = {p: at for p, at in committed.items() if config.batch.mirrors(p[0])}
        shown = ", ".join(f"{topic}-{partition}: {at}" for (topic, partition), at in sorted(mine.items()))
        typer.echo(f"    {group}: {shown or 'none'}")


def print_fence(config: ConductorConfig, source: Admin) -> None:
    """Print the ACLs of the fence. Raises UsageError if the topics cannot be listed."""
    try:
        topics = [topic for topic in source.partitions() if config.batch.mirrors(topic)]
    except KafkaException as why:
        raise UsageError(f"source: its topics cannot be listed: {why.args[0].str()}") from None
    typer.echo("  creates ACLs on the source, and removes them on the way back and at delete-task:")
    for each in wanted(config.fence, topics):
        typer.echo(f"    Deny Write, topic {each.topic}, {each.principal}, from every host")


def print_connector_calls(config: ConductorConfig, moved: Moved, place: Location) -> None:
    """Print the requests for the connectors that a step moves. Raises UsageError."""
    mine = [each for each in config.connectors if each.role == role_of(moved)]
    if not mine:
        return
    with closing(config.connects(lambda: None, lambda: None)) as clusters:
        for each in mine:
            for line in stop_calls(each) if place == "hold" else _start_calls(clusters, each, place):
                typer.echo(f"  {line}")


def stop_calls(connector: MovedConnector) -> list[str]:
    """Return the requests that stop a connector."""
    path, where = _path(connector), f" (Connect {connector.cluster})"
    calls = [f"PUT {path}/stop{where}", f"GET {path}/config, kept in the run's folder"]
    return [*calls, f"GET {path}/offsets, kept in the run's folder"] if connector.role == "producer" else calls


def _start_calls(clusters: ConnectClusters, connector: MovedConnector, place: Location) -> Iterator[str]:
    if connector.repointed:
        yield f"Connect {connector.cluster} is pointed to {place}, by its on_repoint or by a person"
    yield from start_calls(connector, *clusters.content(connector))


def start_calls(connector: MovedConnector, config: Mapping[str, str], offsets: Sequence[Offset]) -> list[str]:
    """Return the requests that create a connector and resume it. config, offsets: as they are now."""
    path = _path(connector)
    shown = {key: value if key in _SHOWN else "***" for key, value in sorted(config.items())}
    body = {"name": connector.name, "config": shown, "initial_state": "STOPPED"}
    calls = [f"POST /connectors {json.dumps(body)}"]
    if connector.role == "producer":
        pairs = [{"partition": partition, "offset": offset} for partition, offset in offsets]
        calls.append(f"PATCH {path}/offsets {json.dumps({'offsets': pairs})} (as they are once it has stopped)")
    return [*calls, f"PUT {path}/resume"]


def _path(connector: MovedConnector) -> str:
    return f"/connectors/{quote(connector.name, safe='')}"
