"""`kafka-cutover resume` and `rollback`: run the rest of a path whose conductor was killed, or turn it back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cutover_harness.admin import Admin
from cutover_harness.cli.conducting import conducted
from cutover_harness.cli.kept_offsets import KeptOffsets
from cutover_harness.cli.leasing import Leasing, TakeOver
from cutover_harness.cli.route_state import cost_now, ready_clusters, show
from cutover_harness.conductor import cost as costs
from cutover_harness.conductor.standing import Standing, look
from cutover_harness.cutover.batches import batch_folder, hooks_of, refuse_edited
from cutover_harness.errors import UsageError
from cutover_harness.procedure.state import NO_WAY_BACK

Place = Annotated[Path, typer.Argument(help="Folder with conductor.json and journal.sqlite, or a plan file.")]
Batch = Annotated[str | None, typer.Option(help="Batch of the plan (default: the one that has begun).")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print cost and steps, and change nothing.")]


def resume(place: Place, batch: Batch = None, dry_run: DryRun = False, take_over: TakeOver = False) -> int:
    """Resume an interrupted run from its journal.

    Exit codes: 0 the path is completed, and clients and mirror were read back; 1 it stopped before, or a client or the
    mirror contradicts it; 2 refused, nothing was changed; 3 completed, but not everything could be read back; 4 it
    turned back, and everything is on the source.
    """
    folder = batch_folder(place, batch)
    standing = look(folder, also_running=dry_run)
    steps = standing.left(back=False)
    standing.refuse_finished(steps, "resume")
    if (hooks := hooks_of(folder, "resume")) is not None and not standing.turned_back:
        refuse_edited(standing.config, hooks.plan.plan, hooks.batch, folder)
    clusters = ready_clusters(standing, steps)
    show(standing, steps, "remaining steps" if not standing.turned_back else "remaining steps, back to the source")
    if dry_run:
        return 0
    with Leasing.of(standing.config, folder, "resume", take_over=take_over).held() as held:
        return conducted(standing, clusters, steps, held, back=False)


def rollback(
    place: Place,
    batch: Batch = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    offsets: Annotated[
        Path | None,
        typer.Option(
            metavar="SNAPSHOT",
            help="Set the groups' offsets on the source to those of a file in the run's snapshots/ (default: do not).",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also roll back from stage 7; records stay behind on the target.")
    ] = False,
    take_over: TakeOver = False,
) -> int:
    """Move consumers and producers back to the source from the run's current stage, and delete the mirror.

    Exit codes: 0 everything is back, and clients and mirror were read back; 1 it stopped before, or a client or the
    mirror contradicts it; 2 refused, nothing was changed; 3 back, but not everything could be read back.
    """
    folder = batch_folder(place, batch)
    standing = look(folder, also_running=dry_run)
    steps = standing.left(back=True)
    standing.refuse_finished(steps, "roll back")
    if standing.state.stage == NO_WAY_BACK and not force:
        raise UsageError(
            f"{folder}: is at stage 7, task deleted: there is no way back without loss, as nothing was copied to the "
            f"source since; --force rolls back nevertheless, --dry-run --force shows the cost"
        )
    clusters = ready_clusters(standing, steps)
    leasing = Leasing.of(standing.config, folder, "rollback", take_over=take_over)
    if not dry_run:
        leasing.refuse()  # before the question
    lines = costs.cost(standing.state, _cost(standing, clusters))
    typer.echo("\n  ".join(["rolling back to the source costs now:", *lines]))
    show(standing, steps, "steps")
    kept = None if offsets is None else KeptOffsets.read(offsets, standing.config, clusters[0])
    if kept is not None:
        kept.show()
    if dry_run:
        return 0
    if steps and not yes:
        _ask(folder)
    with leasing.held() as held:
        if kept is not None:
            kept.put_back(leasing.audit)
        return conducted(standing, clusters, steps, held, back=True, costs=lines)


def _cost(standing: Standing, clusters: tuple[Admin, Admin]) -> costs.Now:
    written = standing.cutover_file
    document = written.document(written.generation)
    return cost_now(standing.config, standing.entries, standing.state, document, clusters)


def _ask(folder: Path) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"{folder}: no terminal to confirm the rollback: give --yes; nothing was changed")
    if not typer.confirm("Roll back?"):
        raise UsageError(f"{folder}: not confirmed; nothing was changed")
