"""`kafka-cutover verify`."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka import KafkaException

from cutover_harness import exit_codes
from cutover_harness.conductor.reach import refuse_unreachable
from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.outputs import check_file
from cutover_harness.planning.read import read_plan
from cutover_harness.verify.batch import Wanted, verify_batch
from cutover_harness.verify.model import Verification
from cutover_harness.verify.output import ProgressLine, text
from cutover_harness.verify.pieces import Sample
from cutover_harness.verify.reader import ReadError
from cutover_harness.verify.request import of_plan, share

_CODES = {"equal": 0, "different": exit_codes.FAILED, "unproved": exit_codes.UNPROVED}


def verify(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan file.", show_default=False)],
    batch: Annotated[str, typer.Option("--batch", metavar="NAME", help="Batch to verify.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Result as JSON (default: PLAN.verify-BATCH.json)."),
    ] = None,
    sample: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Compare only so many percent of the records, such as 1%.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed of the sample, to reproduce it.")] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="BYTES", help="Bytes per second to read at most, from both clusters (default: no limit)."),
    ] = None,
    until_ends: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN_FOLDER",
            help="Run whose journal has the target's log ends before producers moved (default: the plan's run folder).",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted verification.")] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes that compare (default: one for each core, at most 4).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Prove record by record that the target has what the source had. Only reads.

    Exit codes: 0 everything was compared and is equal, and the groups' offsets are proved; 1 differences; 2 bad input,
    or a cluster that does not answer; 3 no difference, but not everything is proved.
    """
    if seed is not None and sample is None:
        raise UsageError("--seed: belongs to --sample")
    if rate is not None and rate <= 0:
        raise UsageError(f"--rate {rate:g}: must be above 0")
    part = None if sample is None else Sample(share(sample), secrets.randbelow(2**31) if seed is None else seed)
    result_file = output or plan.with_name(f"{plan.stem}.verify-{batch}.json")
    if output is not None or plan.exists():  # next to a plan that is not there, the plan is what is wrong
        check_file(result_file, "--output")
    asked = of_plan(read_plan(plan), batch, until_ends=until_ends)
    state = result_file.with_name(result_file.name + ".state")
    if resume and not state.is_file():
        raise UsageError(f"--resume {state}: is not there: begin without --resume")
    wanted = replace(
        asked, sample=part, seeded=seed is not None, rate=rate, workers=processes, state=state, resume=resume
    )
    result = _verified(wanted, state)
    write_atomic(result_file, result.model_dump_json(indent=2) + "\n", mode=PRIVATE)
    typer.echo(result.model_dump_json(indent=2) if as_json else text(result))
    if not as_json:
        typer.echo(f"\nresult: {result_file}")
    return _CODES[result.outcome]


def _verified(wanted: Wanted, state: Path) -> Verification:
    # Before anything else: this error names the cluster, those of the comparison do not.
    refuse_unreachable({"source": wanted.source, "target": wanted.target}, [], [])
    try:
        with ProgressLine() as progress:
            return verify_batch(wanted, progress)
    except (ReadError, KafkaException, MirrorError) as error:
        again = ": repeat with --resume" if state.is_file() else ""
        raise UsageError(f"{in_one_line(error)}{again}") from None
    except KeyboardInterrupt:
        if state.is_file():
            typer.echo(f"kafka-cutover: {state} has what was compared: continue with --resume", err=True)
        raise
