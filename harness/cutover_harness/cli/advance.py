"""`kafka-cutover advance`: answer a run's request for approval from another terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cutover_harness.admin import Admin
from cutover_harness.cli.approving import answer
from cutover_harness.cli.figures import figures
from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.journalled_gates import unapproved
from cutover_harness.cutover.batches import batch_folder
from cutover_harness.errors import UsageError
from cutover_harness.locks import FileLock, HeldError
from cutover_harness.masking import visible
from cutover_harness.procedure.names import StepName


def advance(
    place: Annotated[Path, typer.Argument(help="Plan file, or the folder of a batch.")],
    batch: Annotated[str | None, typer.Option(help="Batch of the plan (default: the one that has begun).")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve without a question.")] = False,
    decline: Annotated[bool, typer.Option("--decline", help="Decline the step; the run stops before it.")] = False,
) -> int:
    """Approve, or decline, the step that a run waits for.

    Exit codes: 0 answered; 2 no run waits for approval, or the answer was not confirmed.
    """
    folder = batch_folder(place, batch)
    config = ConductorConfig.load(folder / CONFIG)
    try:
        FileLock.probe(config.lock)
    except HeldError:
        pass
    else:
        raise UsageError(f"{folder}: no conductor is running: kafka-cutover run continues it")
    asked = unapproved(inspect(config.journal, config.steps, config.groups))
    if asked is None:
        raise UsageError(f"{folder}: waits for no approval now")
    step = StepName(asked.detail["act"])
    source, target = config.clusters(config.peek(file_only=True).document(0))
    for line in figures(config, (Admin(source), Admin(target)), step).lines():
        typer.echo(visible(line))
    if not decline and not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"{folder}: no terminal to confirm {step}: give --yes; nothing was answered")
        if not typer.confirm(f"Approve {step}?"):
            raise UsageError(f"{folder}: not confirmed; nothing was answered: --decline stops the run")
    if not answer(config.journal, asked, approved=not decline, how="kafka-cutover advance"):
        raise UsageError(f"{folder}: {step} does not wait for approval any more: it was answered in the meantime")
    typer.echo(f"{folder}: {step} {'declined' if decline else 'approved'}")
    return 0
