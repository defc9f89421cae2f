"""`kafka-cutover preflight PLAN`: the clusters and clients of a plan, before anything is changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import typer

from cutover_harness import exit_codes
from cutover_harness.cli.preflight_asked import PlanOptions, asked_of
from cutover_harness.cli.preflight_fleet import shim_fleet
from cutover_harness.cli.preflight_plan_output import as_json, as_script, as_text
from cutover_harness.cli.preflight_spread import measured, spread_channels
from cutover_harness.inventory.completeness import Gaps
from cutover_harness.planning.check import check_plan
from cutover_harness.planning.read import read_plan
from cutover_harness.preflight.model import Client, Severity
from cutover_harness.preflight.planned.check import check
from cutover_harness.preflight.planned.read_facts import read_facts
from cutover_harness.preflight.planned.read_rehearsal import read_rehearsal


def preflight_plan(
    file: Path,
    batches: Collection[str],
    clients: Mapping[str, Client],
    acks: str | None,
    options: PlanOptions,
    *,
    json: bool,
) -> int:
    """Check the clusters and clients of a plan. Raises UsageError."""
    read = read_plan(file)
    checked = check_plan(file, os.environ)
    asked = asked_of(read, batches, clients, acks, options)
    channels = spread_channels(read) if options.measure_spread else ()
    rehearsed = None if options.diff is None else read_rehearsal(options.diff)
    gaps = Gaps()
    fleet = shim_fleet(read, asked.clusters["source"], gaps)
    facts = read_facts(asked, fleet, gaps, _tell)
    facts = replace(facts, digest=read.digest, rehearsed=rehearsed, problems=checked.problems, unset=checked.unset)
    if channels:
        facts = replace(facts, spread=measured(read, channels, facts, options, _tell))
    found = check(facts)
    if options.acl and not json:
        typer.echo(as_script(facts, found))
    else:
        typer.echo(as_json(read, facts, found) if json else as_text(facts, found))
    return exit_codes.FAILED if any(each.severity == Severity.BLOCKER for each in found.findings) else 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
