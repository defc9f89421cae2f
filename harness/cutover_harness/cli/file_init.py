"""`kafka-cutover file init`: write the first document of a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from cutover_shim.channel import KAFKA
from cutover_shim.cutover_file import Cluster

from cutover_harness.channels.document import signed_text
from cutover_harness.channels.opening import cluster_of
from cutover_harness.cli.file_channels import ChannelOptions, WriteOptions, opened
from cutover_harness.cli.file_write import confirm, refuse_unsigned, written
from cutover_harness.cli.first_document import first_document, named_routes
from cutover_harness.cli.option_groups import with_option_groups
from cutover_harness.cutover.first_routes import endpoint_of, first_routes
from cutover_harness.cutover.settings import key_of
from cutover_harness.errors import UsageError
from cutover_harness.planning.read import ReadPlan, read_plan


@dataclass(frozen=True)
class First:
    """What a first document is made from. own: the files with which this machine reaches the clusters."""

    channels: tuple[str, ...]
    body: str
    own: tuple[Path, Path]


@with_option_groups
def init(
    options: ChannelOptions,
    write: WriteOptions,
    channels: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CHANNEL...",
            help="PATH, kafka:TOPIC[@source|@target] or configmap:NAMESPACE/NAME[/KEY] (default: the plan's reach).",
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Plan: a route for each batch, the plan's channels, properties and key."),
    ] = None,
    source: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Client properties of the source cluster (default: the plan's).")
    ] = None,
    target: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Client properties of the target cluster (default: the plan's).")
    ] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(metavar="[ROUTE=]NAME[,NAME]", help="Topics of a route: names or globs; repeatable."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="[ROUTE=]NAME[,NAME]", help="Groups of a route: names or globs; repeatable."),
    ] = None,
    route: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Name of a route; repeatable (default: a route named all).")
    ] = None,
) -> int:
    """Write generation 1 with all clients on the source. Channels that have a document are refused.

    References ${NAME} and ${file:PATH} in the properties stay references in the document.
    """
    named = tuple(channels or ())
    if plan is not None:
        if topic or group or route:
            raise UsageError("init: --plan has the routes: leave --topic, --group and --route out")
        read = read_plan(plan)
        first = _of_plan(read, named, source, target)
        options = replace(options, key=options.key or key_of(read))
    else:
        first = _of_options(named, source, target, named_routes(route or [], topic or [], group or []), topic)
    connects = any(channel.startswith(KAFKA) for channel in first.channels) and not options.cluster
    clusters = _clusters(first) if connects else {}
    with opened(first.channels, options, clusters=clusters, create=True, touch=write.touch) as found:
        refuse_unsigned(found, write)
        text = signed_text(first.body, found.keys)
        for writer in found.writers:
            if (there := writer.read()) not in (None, text):
                what = "is empty" if there == "" else "has a document"
                raise UsageError(f"{writer.name}: {what} already: change it with kafka-cutover file set, or remove it")
        publisher = found.publisher(deadline_s=write.deadline)
        if all(writer.read() == text for writer in found.writers):
            publisher.adopt()
        else:
            confirm(found, 1, write)
            publisher.publish(first.body, 1)
        return written(publisher, found)


def _of_options(
    channels: tuple[str, ...],
    source: Path | None,
    target: Path | None,
    routes: Mapping[str, object],
    topics: list[str] | None,
) -> First:
    if not channels:
        raise UsageError("init: names no channel: give a cutover file, kafka:TOPIC or configmap:NAMESPACE/NAME")
    if source is None or target is None or not topics:
        lacking = [
            name for name, value in (("--source", source), ("--target", target), ("--topic", topics)) if not value
        ]
        raise UsageError(f"init: lacks {', '.join(lacking)}: give them, or --plan FILE")
    return First(channels, first_document(source, target, routes), (source, target))


def _of_plan(read: ReadPlan, channels: tuple[str, ...], source: Path | None, target: Path | None) -> First:
    named = channels or tuple(
        way.channel if way.file is None else f"file:{read.file(way.file)}" for way in read.plan.reach
    )
    if not named:
        raise UsageError(f"{read.path}: reach: is empty: name the channels that the clients follow")
    own = tuple(read.file(each.properties) for each in (read.plan.clusters.source, read.plan.clusters.target))
    files = endpoint_of("source", source, own[0]), endpoint_of("target", target, own[1])
    routes = first_routes(read.plan, lambda: cluster_of("source", own[0]))
    for name, its in routes.items():
        groups = ", ".join(its["groups"]) or "none"
        typer.echo(f"route {name}: topics {', '.join(its['topics'])}; groups {groups}")
    return First(named, first_document(*files, routes), (own[0], own[1]))


def _clusters(first: First) -> dict[str, Cluster]:
    source, target = first.own
    return {"source": cluster_of("source", source), "target": cluster_of("target", target)}
