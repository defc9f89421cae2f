"""`kafka-cutover run`: move a batch of a plan on the user's own clusters."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cutover_harness.cli.attempt import Accepted, Attempt
from cutover_harness.cli.dry_run import print_steps
from cutover_harness.cli.leasing import TakeOver
from cutover_harness.cutover.audit import Audit
from cutover_harness.cutover.batches import choose, hooks_for, progress, refuse_before_others
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.cutover.settings import connectors_of
from cutover_harness.cutover.webhooks import addresses
from cutover_harness.errors import UsageError
from cutover_harness.planning.check import refuse_problems
from cutover_harness.planning.model import PlannedBatch
from cutover_harness.planning.paths import steps_of
from cutover_harness.planning.read import read_plan
from cutover_harness.procedure.names import StepName
from cutover_harness.watching.serving import Serve, serving
from cutover_harness.words import did_you_mean

END = "end"


def run(
    plan: Annotated[Path, typer.Argument(help="Plan file.")],
    batch: Annotated[str | None, typer.Option(help="Batch to move (default: the next one of the plan).")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print each step with what it writes, and change nothing.")
    ] = False,
    accept_unproved: Annotated[
        bool,
        typer.Option(
            "--accept-unproved",
            help="Delete the mirror although not every record could be compared; never if one differs.",
        ),
    ] = False,
    accept_bypass: Annotated[
        bool,
        typer.Option(
            "--accept-bypass",
            help="Accept records that bypassed the route, as earlier runs have named them, and that nothing copies.",
        ),
    ] = False,
    from_scratch: Annotated[
        bool,
        typer.Option(
            "--from-scratch",
            help="Copy a batch that came back again from the start; first delete its topics on the target.",
        ),
    ] = False,
    yes_until: Annotated[
        str | None,
        typer.Option(
            metavar="STEP", help=f"Approve the steps before STEP without a question; {END}: all steps (default: ask)."
        ),
    ] = None,
    take_over: TakeOver = False,
    serve: Serve = None,
) -> int:
    """Move a batch of a plan to the target, or resume its interrupted run.

    Asks before each step that does not follow a hold, here or by `kafka-cutover advance` in another terminal. Exit
    codes: 0 the batch is moved, and clients and mirror were read back; 1 it stopped before the end, or a client or the
    mirror contradicts it; 2 refused; 3 moved, but not everything could be read back; 4 it turned back to the source.
    """
    read, folder = read_plan(plan), RunFolder.of(plan)
    refuse_problems(plan)
    chosen = choose(read, folder, batch)
    connectors_of(read.plan, chosen)  # what is missing for them
    given = approved_before(yes_until, chosen)
    again = progress(folder, chosen.name) == "back on the source"
    begun = folder.begun(chosen.name) and not again
    if from_scratch and begun:
        raise UsageError(f"--from-scratch: batch {chosen.name} is in the middle of its run: roll it back first")
    if dry_run:
        print_steps(read, chosen, folder, begun=begun, from_scratch=from_scratch)
        return 0
    refuse_before_others(folder, chosen)
    addresses(read)  # what is wrong with them ends no run in the middle
    with serving(read, folder, serve, live=sys.stderr.isatty()) as lines:
        audit = Audit(folder.audit, "run", read.digest)
        hooks = hooks_for(read, chosen, folder, audit)
        attempt = Attempt(
            read,
            chosen,
            folder,
            hooks,
            asks=yes_until is None,
            accepts=Accepted(unproved=accept_unproved, bypass=accept_bypass),
            take_over=take_over,
            from_scratch=from_scratch,
            more=lambda: lines(chosen.name),
        )
        return attempt.carry_on(given) if begun else attempt.start(given, again=again)


def approved_before(step: str | None, batch: PlannedBatch) -> frozenset[StepName]:
    """Return the steps before `step` of the batch's path. Raises UsageError if the path does not have it."""
    names = [each.step for each in steps_of(batch)]
    if step is None:
        return frozenset()
    if step == END:
        return frozenset(names)
    if step not in names:
        near = did_you_mean(step, [*names, END])
        known = f"{', '.join(names)}, or {END}"
        raise UsageError(f"--yes-until {step}: is no step of the batch's path: {known}{': ' if near else ''}{near}")
    return frozenset(names[: names.index(StepName(step))])
