"""The `report` command, as the command line calls it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from cutover_harness import exit_codes
from cutover_harness.errors import UsageError
from cutover_harness.outputs import check_folder

from cutover_reports.build import build
from cutover_reports.compare import compare
from cutover_reports.model import Decision
from cutover_reports.performed.reading import is_run
from cutover_reports.performed.verdict import EXIT_CODES as CUTOVER_CODES
from cutover_reports.performed.write import write_cutover
from cutover_reports.write import write_merged

EXIT_CODES: dict[Decision, int] = {
    "GO": 0,
    "GO WITH CONDITIONS": 0,
    "NO-GO": exit_codes.FAILED,
    "INCONCLUSIVE": exit_codes.UNPROVED,
}


def report_command(
    folders: Sequence[Path],
    *,
    compare_them: bool = False,
    out: Path | None = None,
    policy: Path | None = None,
    json_output: bool = False,
    rehearsed: Path | None = None,
    explored: Path | None = None,
) -> int:
    """Write a report of run folders, or compare two of them; return the exit code.

    folders: one or more run folders; of several one merged report is written, into `out` (default: the last of them).
    Or the folder of a plan's run alone: the report of the cutover, beside its rehearsal in the folder `rehearsed`
    (default: one next to it). Its exit codes: 0 complete and verified; 1 unfinished, rolled back or contradicted by
    what was found; 3 not proved.
    explored: the result file of `scenarios explore`, for the last section.
    compare_them: exactly two folders, before and after; what got better or worse is printed, and nothing is written.
    Returns 0 for GO or GO WITH CONDITIONS and if nothing got worse; 1 for NO-GO and if something did; 3 for
    INCONCLUSIVE. Raises UsageError for bad input.
    """
    runs = [folder for folder in folders if folder.is_dir() and is_run(folder)]
    if explored is not None and (runs or compare_them):
        why = f"belongs to rehearsals, and {runs[0]} is the folder of a run" if runs else "--compare writes no report"
        raise UsageError(f"--explored {explored}: {why}: leave it out")
    if runs:
        return _performed(folders, runs[0], compare_them, out, policy, rehearsed, json_output=json_output)
    if rehearsed is not None:
        raise UsageError(f"--rehearsed {rehearsed}: belongs to the folder of a run (PLAN.run), and none is given")
    if compare_them:
        return _compare(folders, policy, json_output=json_output)
    if not folders:
        raise UsageError("no run folder given: name the folder that `rehearse --out` wrote")
    target = _target(out, folders[-1])
    report = write_merged(folders, target, policy, explored).report
    if json_output:
        sys.stdout.write(report.model_dump_json(indent=1) + "\n")
    else:
        sys.stdout.write(f"{report.decision}: {report.headline}\n{target / 'report.html'}\n")
    return EXIT_CODES[report.decision]


def _target(out: Path | None, folder: Path) -> Path:
    """Return the folder for the report. Raises UsageError if it cannot be written, before ledgers are read."""
    check_folder(out or folder, "report" if out is None else "--out")
    return out or folder


def _compare(folders: Sequence[Path], policy: Path | None, *, json_output: bool) -> int:
    """Print what got better or worse from one report to the other, and return the exit code."""
    if len(folders) != 2:
        raise UsageError(f"--compare takes two run folders, before and after; {len(folders)} given")
    if folders[0].resolve() == folders[1].resolve():
        raise UsageError(f"--compare {folders[0]} {folders[1]}: is one and the same folder: give two runs")
    before, after = (build([folder], policy).report for folder in folders)
    if not before.scenarios:
        raise UsageError(f"--compare {folders[0]}: has no scenario that was judged: there is nothing to compare with")
    comparison = compare(before, after)
    sys.stdout.write(comparison.as_json() if json_output else comparison.as_text())
    return 1 if comparison.worse else 0


def _performed(
    folders: Sequence[Path],
    run: Path,
    compare_them: bool,
    out: Path | None,
    policy: Path | None,
    rehearsed: Path | None,
    *,
    json_output: bool,
) -> int:
    """Write the report of a cutover, and return the exit code."""
    if len(folders) > 1 or compare_them:
        raise UsageError(
            f"{run}: is the folder of a run: give it alone, and a rehearsal to compare it with as --rehearsed DIR"
        )
    if policy is not None:
        raise UsageError(f"--policy {policy}: belongs to rehearsals, and {run} is the folder of a run: leave it out")
    target = _target(out, run)
    report = write_cutover(run, target, rehearsed)
    if json_output:
        sys.stdout.write(report.model_dump_json(indent=1) + "\n")
    else:
        sys.stdout.write(f"{report.verdict}: {report.headline}\n{target / 'report.html'}\n")
    return CUTOVER_CODES[report.verdict]
