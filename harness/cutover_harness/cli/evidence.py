"""`kafka-cutover judge` and `kafka-cutover report`: evaluate the folders of runs."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from cutover_harness.errors import UsageError
from cutover_harness.judge.command import judge_command


def judge(
    folder: Annotated[Path, typer.Argument(help="A run's folder, a folder of runs, or a folder of ledgers.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Account for every record of the ledgers in a folder, and print the verdict."""
    return judge_command(folder, as_json)


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Folders that `rehearse --out` wrote; several are merged. Or the folder of one run."),
    ],
    compare: Annotated[
        bool, typer.Option("--compare", help="Show what got better or worse from the first folder to the second.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder for the report (default: the last folder)."),
    ] = None,
    rehearsed: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Rehearsal to show beside a run (default: one of its plan next to it)."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy with the limits that you accept (docs/policy.md).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> int:
    """Write the risk report of one or more rehearsals, compare two of them, or write the report of a cutover.

    Exit codes: 0 GO or GO WITH CONDITIONS, nothing got worse, or the cutover is complete and verified; 1 NO-GO,
    something got worse, or the cutover is unfinished, rolled back or contradicted; 2 bad input; 3 not proved.
    """
    for entry in entry_points(group="kafka_cutover.report", name="command"):
        command = entry.load()
        code: int = command(
            folders, compare_them=compare, out=out, policy=policy, json_output=as_json, rehearsed=rehearsed
        )
        return code
    raise UsageError("no report package is installed: pip install 'kafka-cutover[harness]'")
