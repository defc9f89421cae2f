"""`kafka-cutover judge` and `kafka-cutover report`: evaluate the folders of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cutover_harness.errors import UsageError
from cutover_harness.judge.command import judge_command
from cutover_harness.outputs import check_file


def judge(
    folders: Annotated[
        list[str],
        typer.Argument(
            metavar="DIR | URL... | FILE...",
            help="A run's folder, a folder of runs, or a folder of ledgers; with --dask also s3:// and other URLs; "
            "with --merge partials.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    partial: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write measures to FILE, to be merged, and print no verdict.")
    ] = None,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="With --partial: measure part I of N of the streams.")
    ] = "1/1",
    host: Annotated[
        str, typer.Option(metavar="I/N", help="With --partial: this is machine I of N that have ledgers of their own.")
    ] = "1/1",
    merge: Annotated[bool, typer.Option("--merge", help="Merge the partials of all shards and hosts.")] = False,
    dask: Annotated[
        str | None, typer.Option(metavar="SCHEDULER", help="Judge on a Dask cluster, such as tcp://10.0.0.5:8786.")
    ] = None,
) -> int:
    """Account for every record of the ledgers in a folder, and print the verdict.

    Several machines can share the work: with --partial on each and --merge on one, or on a Dask cluster
    (docs/judge.md).
    """
    chosen = [name for name, given in (("--partial", partial), ("--merge", merge), ("--dask", dask)) if given]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[0]} and {chosen[1]} exclude each other")
    if partial is None and (shard, host) != ("1/1", "1/1"):
        raise UsageError(f"{'--shard' if shard != '1/1' else '--host'} needs --partial FILE")
    if len(folders) > 1 and not (merge or dask):
        raise UsageError(f"{len(folders)} folders; give one, or several with --dask, or partials with --merge")
    # Imported for the command that needs them: the others start sooner.
    if merge:
        from cutover_harness.judge.partial_command import merge_command  # noqa: PLC0415

        return merge_command([Path(file) for file in folders], as_json=as_json)
    if partial is not None:
        from cutover_harness.judge.partial_command import partial_command  # noqa: PLC0415
        from cutover_harness.judge.portable import Part  # noqa: PLC0415

        check_file(partial, "--partial")
        return partial_command(
            Path(folders[0]), partial, host=Part.parse(host, "--host"), shard=Part.parse(shard, "--shard")
        )
    if dask is not None:
        from cutover_harness.judge.dask_command import dask_command  # noqa: PLC0415

        return dask_command(folders, dask, as_json=as_json)
    return judge_command(Path(folders[0]), as_json)


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
        typer.Option(
            metavar="DIR", help="Rehearsal to show next to a run (default: one of the same plan, next to it)."
        ),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy with the limits that you accept (docs/policy.md).")
    ] = None,
    explored: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Result of scenarios explore --json (default: explored.json of the folder)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> int:
    """Write the risk report of one or more rehearsals, compare two of them, or write the report of a cutover.

    Exit codes: 0 GO or GO WITH CONDITIONS, nothing got worse, or the cutover is complete and verified; 1 NO-GO,
    something got worse, or the cutover is unfinished, rolled back or contradicted; 2 bad input; 3 not proved.
    """
    from importlib.metadata import entry_points  # noqa: PLC0415 - `judge` starts without it

    for entry in entry_points(group="kafka_cutover.report", name="command"):
        command = entry.load()
        code: int = command(
            folders,
            compare_them=compare,
            out=out,
            policy=policy,
            json_output=as_json,
            rehearsed=rehearsed,
            explored=explored,
        )
        return code
    raise UsageError("no report package is installed: pip install 'kafka-cutover[harness]'")
