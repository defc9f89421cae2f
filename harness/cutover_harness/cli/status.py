"""`kafka-cutover status`: where each batch of a plan is."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cutover_harness.console import standard_output
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.cutover.progress import BatchProgress
from cutover_harness.errors import UsageError
from cutover_harness.masking import masked
from cutover_harness.named_rows import print_rows
from cutover_harness.planning.read import read_plan
from cutover_harness.watching.serving import Serve, serving
from cutover_harness.watching.terminal import lines_of
from cutover_harness.watching.views import Snapshot
from cutover_harness.watching.watcher import Watcher
from cutover_harness.words import counted, listed

_EVERY_S = 1.0


def status(
    plan: Annotated[Path, typer.Argument(help="Plan file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch a line for each look.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat once a second until Ctrl-C.")] = False,
    serve: Serve = None,
) -> int:
    """Show the stage of each batch of a plan, from the journals of its run, the statuses and both clusters. Only reads.

    Exit codes: 0 shown, 2 bad input.
    """
    read, run = read_plan(plan), RunFolder.of(plan)
    if not watch and serve is None:
        found = Watcher(read, run).once()
        if found.problem is not None:
            raise UsageError(found.problem)
        _show(found, run, as_json=as_json, watch=False)
        return 0
    with serving(read, run, serve):
        if not watch:
            while True:
                time.sleep(_EVERY_S)
        with Watcher(read, run) as watcher:
            while True:
                _show(watcher.snapshot(), run, as_json=as_json, watch=True)
                time.sleep(_EVERY_S)


def _show(found: Snapshot, run: RunFolder, *, as_json: bool, watch: bool) -> None:
    if as_json:
        document = found.to_json() | {"run": str(run.path)}
        typer.echo(json.dumps(document, indent=None if watch else 2))
        return
    console = standard_output(highlight=False)
    if watch:
        console.clear()
    print_batches([batch.progress for batch in found.batches], console)
    for line in lines_of(found):
        console.print(line, markup=False, soft_wrap=True)


def print_batches(batches: Sequence[BatchProgress], console: Console) -> None:
    """Print where each batch is."""
    rows = [
        [
            batch.name,
            batch.state,
            f"{batch.stage} {batch.stage_name}",
            batch.producers,
            batch.consumers,
            masked(now(batch)),
        ]
        for batch in batches
    ]
    headings = ("batch", "", "stage", "producers", "consumers", "now")
    print_rows(console, headings, rows, folded=("batch", "now"))


def now(batch: BatchProgress) -> str:
    """Return, in words, what happens with a batch now."""
    if batch.approval is not None:
        return f"{batch.approval} waits for approval: kafka-cutover advance"
    if batch.waiting is not None:
        gate = batch.waiting
        return f"{batch.step}: waits for {gate.gate}: {gate.waits_for} ({gate.elapsed_s:.0f}/{gate.deadline_s:.0f} s)"
    if batch.running:
        return f"{batch.step or 'between two steps'}"
    if batch.progress == "begun":
        why = f": {batch.missed}" if batch.missed else ""
        return f"no conductor runs, {counted(len(batch.left), 'step')} left{why}"
    if batch.added:
        return f"not moved: {listed(batch.added)}, in the plan since: {batch.advice}"
    return ""
