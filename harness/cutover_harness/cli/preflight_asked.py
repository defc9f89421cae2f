"""Options of the preflight of a plan, and what they and the plan ask for."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer

from cutover_harness.errors import UsageError
from cutover_harness.globs import matches
from cutover_harness.mirror.connect_access import OPEN, ConnectAccess
from cutover_harness.mirror.connect_properties import read_connect_properties
from cutover_harness.planning.model import Connect
from cutover_harness.planning.read import ReadPlan
from cutover_harness.preflight.model import Client
from cutover_harness.preflight.planned.read_connect import ConnectAsked
from cutover_harness.preflight.planned.read_facts import Asked
from cutover_harness.properties_file import read_properties, resolved
from cutover_harness.types import ClusterName


@dataclass(frozen=True)
class PlanOptions:
    """Options that need a plan."""

    acl: Annotated[
        bool, typer.Option("--acl", help="Print the commands that grant what is missing, instead of the findings.")
    ] = False
    connect_principal: Annotated[
        str | None,
        typer.Option(metavar="User:NAME", help="Principal of the Connect workers, which write the mirrored records."),
    ] = None
    connect: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Another Connect cluster, with connectors of the plan; repeat for each one."),
    ] = None
    probe_connect: Annotated[
        bool,
        typer.Option(
            "--probe-connect",
            help="Prove that Connect reaches both clusters: create a connector, whose topic is on the target, and "
            "remove both.",
        ),
    ] = False
    measure_spread: Annotated[
        bool,
        typer.Option(
            "--measure-spread",
            help="Measure how a document reaches the clients: write the present one with the next generation to the "
            "plan's channels.",
        ),
    ] = False
    spread_within: Annotated[
        float, typer.Option(help="How long to wait for clients with --measure-spread, in seconds (default: 120).")
    ] = 120.0
    key: Annotated[
        str | None,
        typer.Option(
            metavar="REFERENCE",
            envvar="CUTOVER_KEY",
            help="Key of the documents' signatures, for --measure-spread (default: that of the plan).",
        ),
    ] = None
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="With --measure-spread: write to a topic without a key.")
    ] = False
    diff: Annotated[
        Path | None,
        typer.Option(metavar="REHEARSAL", help="Folder of a rehearsal: name what differs from what it rehearsed."),
    ] = None

    @property
    def given(self) -> list[str]:
        """The options that were given; the key may be in the environment for other commands."""
        found = [
            each for each in fields(self) if each.name != "key" and getattr(self, each.name) not in (each.default, [])
        ]
        return [f"--{each.name.replace('_', '-')}" for each in found]


def asked_of(
    read: ReadPlan,
    batches: Collection[str],
    clients: Mapping[str, Client],
    acks: str | None,
    options: PlanOptions,
) -> Asked:
    """Return what is asked for. Raises UsageError."""
    plan = read.plan
    worker = options.connect_principal
    if worker is not None and ":" not in worker:
        raise UsageError(f"--connect-principal {worker}: write it as Kafka does: User:NAME")
    for name in batches:
        if not any(matches(batch.name, [name]) for batch in plan.batches):
            raise UsageError(f"--batch {name}: the plan has no such batch: {', '.join(b.name for b in plan.batches)}")
    if options.probe_connect and plan.connect is None:
        raise UsageError(f"--probe-connect: the plan {read.path} names no Connect: set connect.url in it")
    named: dict[ClusterName, str] = {
        "source": plan.clusters.source.properties,
        "target": plan.clusters.target.properties,
    }
    clusters = {name: read_properties(read.file(properties)) for name, properties in named.items()}
    return Asked(
        plan,
        clusters,
        batches,
        clients,
        acks,
        worker,
        _connect(read, clusters),
        (
            *(_access(read, each, f"connect_clusters.{name}") for name, each in plan.connect_clusters.items()),
            *((resolved(url, "--connect", os.environ), OPEN) for url in options.connect or ()),
        ),
        options.probe_connect,
    )


def _connect(read: ReadPlan, clusters: Mapping[ClusterName, Mapping[str, str]]) -> ConnectAsked | None:
    """Return where the mirror's Connect is. Raises UsageError."""
    connect = read.plan.connect
    if connect is None:
        return None
    return ConnectAsked(*_access(read, connect, "connect"), clusters)


def _access(read: ReadPlan, connect: Connect, at: str) -> tuple[str, ConnectAccess]:
    """Return the address of a Connect cluster of the plan, and the access to it. Raises UsageError."""
    url = resolved(connect.url, f"plan {read.path}: {at}.url", os.environ, read.path.parent)
    file = connect.properties
    return url, OPEN if file is None else read_connect_properties(read.file(file))
