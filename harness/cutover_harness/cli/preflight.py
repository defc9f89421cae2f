"""`kafka-cutover preflight`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from cutover_harness import exit_codes
from cutover_harness.cli.option_groups import with_option_groups
from cutover_harness.cli.preflight_asked import PlanOptions
from cutover_harness.cli.preflight_output import WITHOUT_PLAN, counts, lines, summary
from cutover_harness.cli.preflight_plan import preflight_plan
from cutover_harness.errors import UsageError
from cutover_harness.preflight.check import check
from cutover_harness.preflight.model import Finding, Inventory, Plan, Severity, Version
from cutover_harness.preflight.read import read_client, read_cluster, read_target_acks
from cutover_harness.properties_file import read_properties
from cutover_harness.words import counted

_SOURCE_HELP = "Client properties of the source cluster (librdkafka's); ${NAME} and ${file:PATH} hold secrets."


@with_option_groups
def preflight(
    plan: Annotated[
        Path | None, typer.Argument(metavar="PLAN", help="Plan file, whose clusters and batches are checked.")
    ] = None,
    source: Annotated[Path | None, typer.Option(metavar="FILE", help=_SOURCE_HELP)] = None,
    target: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Client properties of the target cluster (default: the target is not checked)."
        ),
    ] = None,
    topics: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB[,GLOB]", help="Topics to move (default: all but Kafka's internal ones)."),
    ] = None,
    client: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Properties of an application's client; repeat for each client."),
    ] = None,
    batch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB[,GLOB]",
            help="Topics that move together; repeat for each batch, in any order. With a plan: check only these "
            "batches, by name.",
        ),
    ] = None,
    exactly_once: Annotated[
        bool, typer.Option("--exactly-once", help="MirrorMaker 2 will write in transactions (KIP-618).")
    ] = False,
    automq_version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="AutoMQ's version, which a cluster does not report.")
    ] = None,
    cutover_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The clients' cutover file, for its acks on the target."),
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(help="Expected duration of the migration in hours, including the rollback window (default: 24)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    planned: PlanOptions = PlanOptions(),  # noqa: B008 - frozen
) -> int:
    """Find what can break your migration: AutoMQ's differences; with a plan, also rights, clients, Connect, head-room.

    Only reads, except with --probe-connect and --measure-spread. Exit codes: 0 no blocker, 1 a blocker, 2 bad input, or
    a cluster that does not answer.
    """
    if plan is not None:
        given: dict[str, object] = {"--source": source, "--target": target, "--topics": topics, "--hours": hours}
        given |= {"--automq-version": automq_version, "--exactly-once": exactly_once or None}
        if wrong := [name for name, value in given.items() if value is not None]:
            raise UsageError(f"{wrong[0]}: is in the plan {plan}: leave the option out")
        clients = {str(file): read_client(file) for file in client or []}
        acks = None if cutover_file is None else read_target_acks(cutover_file)
        return preflight_plan(plan, _globs(batch), clients, acks, planned, json=as_json)
    if source is None:
        raise UsageError("preflight: give a plan file, or --source FILE")
    if wrong := planned.given:
        raise UsageError(f"{wrong[0]}: needs a plan file")
    hours = 24.0 if hours is None else hours
    if hours <= 0:
        raise UsageError(f"--hours {hours:g}: must be above 0")
    target_acks = read_target_acks(cutover_file) if cutover_file is not None else None
    # Read every file and option before asking a cluster, so that errors in them are reported immediately.
    source_config, target_config = read_properties(source), read_properties(target) if target else None
    clients = {str(file): read_client(file) for file in client or []}
    migration = Plan(
        hours=hours,
        exactly_once=exactly_once,
        batches=tuple(tuple(_globs([each])) for each in batch or []),
        automq=_version(automq_version),
        target_acks=target_acks,
    )
    here = read_cluster("source", source_config, _globs(topics))
    if not here.topics:
        raise UsageError(f"--source {source}: the cluster shows no topic to check: check its address and your rights")
    there = None if target_config is None else read_cluster("target", target_config, [], count=here.topics.keys())
    inventory = Inventory(source=here, target=there, clients=clients, plan=migration)
    findings = check(inventory)
    typer.echo(_json(inventory, findings) if as_json else _text(inventory, findings))
    return exit_codes.FAILED if any(finding.severity == Severity.BLOCKER for finding in findings) else 0


def _globs(given: list[str] | None) -> list[str]:
    found = [glob.strip() for each in given or [] for glob in each.split(",")]
    if not all(found):
        raise UsageError(f"--topics and --batch: an empty name in {','.join(given or [])!r}")
    return found


def _version(text: str | None) -> Version | None:
    if text is None:
        return None
    if not (found := re.fullmatch(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-.*)?", text)):
        raise UsageError(f"--automq-version {text}: expected a version as in 1.7.3")
    return tuple(int(part) for part in found.groups(default="0"))


def _json(inventory: Inventory, findings: list[Finding]) -> str:
    document = {
        "format": 1,
        "topics": sorted(inventory.source.topics),
        "groups": sorted(inventory.source.groups),
        "counts": counts(findings, WITHOUT_PLAN),
        "target": None if (target := inventory.target) is None else {"automq": target.automq, "kind": target.kind},
        "findings": [finding.to_json() for finding in findings],
    }
    return json.dumps(document, indent=2)


def _text(inventory: Inventory, findings: list[Finding]) -> str:
    looked = [
        counted(len(inventory.source.topics), "topic"),
        counted(len(inventory.source.groups), "group"),
        counted(len(inventory.clients), "client"),
    ]
    if inventory.target is not None:
        looked.append(f"the target is {inventory.target.kind}")
    numbers = summary(counts(findings, WITHOUT_PLAN))
    return "\n".join([*lines(findings), f"{numbers} (checked {', '.join(looked)})"])
