"""`kafka-cutover preflight`."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from cutover_harness.capture.properties import read_properties
from cutover_harness.errors import UsageError
from cutover_harness.preflight.check import check
from cutover_harness.preflight.model import Finding, Inventory, Plan, Severity, Version
from cutover_harness.preflight.read import read_client, read_cluster, read_target_acks

EXIT_BLOCKER = 1
_SOURCE_HELP = "Client properties of the source cluster (librdkafka's); ${NAME} and ${file:PATH} hold secrets."


def preflight(
    source: Annotated[Path, typer.Option(metavar="FILE", help=_SOURCE_HELP)],
    target: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Those of the target cluster; default: it is not looked at.")
    ] = None,
    topics: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB[,GLOB]", help="What is to move; default: every topic but Kafka's own."),
    ] = None,
    client: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Properties of an application's client; once a client.")
    ] = None,
    batch: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB[,GLOB]", help="Topics that move together; once a batch, in any order."),
    ] = None,
    exactly_once: Annotated[
        bool, typer.Option("--exactly-once", help="MirrorMaker 2 is to write in transactions (KIP-618).")
    ] = False,
    automq_version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="AutoMQ's version, which a cluster does not tell.")
    ] = None,
    cutover_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The clients' cutover file, for the acks that it sets on the target."),
    ] = None,
    hours: Annotated[float, typer.Option(help="How long the migration takes, until no way back is wanted.")] = 24.0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> int:
    """Find what differs on AutoMQ and bites, before anything is moved. Only reads.

    Exit code 0: no blocker, 1: a blocker, 2: bad input, or a cluster that does not answer.
    """
    if hours <= 0:
        raise UsageError(f"--hours {hours:g}: must be above 0")
    target_acks = read_target_acks(cutover_file) if cutover_file is not None else None
    # Every file and option before a cluster is asked: what is wrong with them is told at once.
    source_config, target_config = read_properties(source), read_properties(target) if target else None
    clients = {str(file): read_client(file) for file in client or []}
    plan = Plan(
        hours=hours,
        exactly_once=exactly_once,
        batches=tuple(tuple(_globs([each])) for each in batch or []),
        automq=_version(automq_version),
        target_acks=target_acks,
    )
    here = read_cluster("source", source_config, _globs(topics))
    if not here.topics:
        raise UsageError(f"--source {source}: the cluster shows no topic to look at: check its address and the rights")
    there = None if target_config is None else read_cluster("target", target_config, [], count=here.topics.keys())
    inventory = Inventory(source=here, target=there, clients=clients, plan=plan)
    findings = check(inventory)
    typer.echo(_json(inventory, findings) if as_json else _text(inventory, findings))
    return EXIT_BLOCKER if any(finding.severity == Severity.BLOCKER for finding in findings) else 0


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


def _counts(findings: list[Finding]) -> dict[str, int]:
    counts = Counter(finding.severity for finding in findings)
    return {severity.value: counts[severity] for severity in Severity}


def _json(inventory: Inventory, findings: list[Finding]) -> str:
    document = {
        "format": 1,
        "topics": sorted(inventory.source.topics),
        "groups": sorted(inventory.source.groups),
        "counts": _counts(findings),
        "target": None if (target := inventory.target) is None else {"automq": target.automq, "kind": target.kind},
        "findings": [finding.to_json() for finding in findings],
    }
    return json.dumps(document, indent=2)


def _text(inventory: Inventory, findings: list[Finding]) -> str:
    lines = []
    for found in findings:
        lines += [
            f"{found.severity.value.upper():<8} {found.rule}: {found.subject} {found.reason}",
            f"         source of the rule: {found.source}",
            f"         what to do: {found.remedy}",
        ]
    counts = ", ".join(_many(count, name) for name, count in _counts(findings).items())
    looked = [
        _many(len(inventory.source.topics), "topic"),
        _many(len(inventory.source.groups), "group"),
        _many(len(inventory.clients), "client"),
    ]
    if inventory.target is not None:
        looked.append(f"the target is {inventory.target.kind}")
    return "\n".join([*lines, f"{counts} (looked at {', '.join(looked)})"])


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
