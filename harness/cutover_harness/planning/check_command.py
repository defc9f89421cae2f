"""`kafka-cutover plan check`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cutover_harness import exit_codes
from cutover_harness.masking import visible
from cutover_harness.planning.check import check_plan
from cutover_harness.words import counted


def check(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file.")] = Path("plan.yaml"),
    env_less: Annotated[
        bool, typer.Option("--env-less", help="Do not resolve references: they are those of another machine.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Report all problems of a plan with their lines, and what is left to fill in. Exit codes: 0 no problem, 2 some."""
    checked = check_plan(plan, None if env_less else os.environ)
    if as_json:
        problems = [vars(each) for each in checked.problems]
        typer.echo(json.dumps({"problems": problems, "unset": checked.unset}, indent=1))
        return exit_codes.REFUSED if problems else 0
    for problem in checked.problems:
        typer.echo(visible(str(problem)))
    for line in checked.unset:
        typer.echo(visible(f"not set: {line}"))
    if checked.problems:
        typer.echo(f"{visible(str(plan))}: {counted(len(checked.problems), 'problem')}")
        return exit_codes.REFUSED
    typer.echo(f"{visible(str(plan))}: no problem")
    return 0
