"""The `report` command, as the command line calls it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from cutover_harness import exit_codes
from cutover_harness.errors import UsageError

from cutover_reports.build import build
from cutover_reports.compare import compare
from cutover_reports.model import Decision
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
) -> int:
    """Write a report of run folders, or compare two of them; return the exit code.

    folders: one or more run folders; of several one merged report is written, into `out` (default: the last of them).
    compare_them: exactly two folders, before and after; what got better or worse is printed, and nothing is written.
    Returns 0 for GO or GO WITH CONDITIONS and if nothing got worse; 1 for NO-GO and if something did; 3 for
    INCONCLUSIVE. Raises UsageError for bad input.
    """
    if compare_them:
        if len(folders) != 2:
            raise UsageError(f"--compare takes two run folders, before and after; {len(folders)} given")
        if folders[0].resolve() == folders[1].resolve():
            raise UsageError(f"--compare {folders[0]} {folders[1]}: is one and the same folder: give two runs")
        before, after = (build([folder], policy).report for folder in folders)
        if not before.scenarios:
            raise UsageError(
                f"--compare {folders[0]}: has no scenario that was judged: there is nothing to compare with"
            )
        comparison = compare(before, after)
        sys.stdout.write(comparison.as_json() if json_output else comparison.as_text())
        return 1 if comparison.worse else 0
    if not folders:
        raise UsageError("no run folder given: name the folder that `rehearse --out` wrote")
    target = out or folders[-1]
    report = write_merged(folders, target, policy).report
    if json_output:
        sys.stdout.write(report.model_dump_json(indent=1) + "\n")
    else:
        sys.stdout.write(f"{report.decision}: {report.headline}\n{target / 'report.html'}\n")
    return EXIT_CODES[report.decision]
