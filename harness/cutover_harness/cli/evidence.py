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
    folders: Annotated[list[Path], typer.Argument(help="Folders that `rehearse --out` wrote; several are merged.")],
    compare: Annotated[
        bool, typer.Option("--compare", help="Show what got better or worse from the first folder to the second.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the report (default: the last folder).")] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy with the limits that you accept (docs/policy.md).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> int:
    """Write the risk report of one or more rehearsals, or compare two of them."""
    for entry in entry_points(group="kafka_cutover.report", name="command"):
        code: int = entry.load()(folders, compare_them=compare, out=out, policy=policy, json_output=as_json)
        return code
    raise UsageError("no report package is installed: pip install 'kafka-cutover[harness]'")
