"""Write a report: four files with the same content, each for its own reader."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cutover_harness.errors import UsageError
from cutover_harness.files import write_atomic

from cutover_reports.build import Built, build
from cutover_reports.html import html
from cutover_reports.junit import junit
from cutover_reports.markdown import markdown
from cutover_reports.model import Report


def write_report(out: Path) -> Report:
    """Write report.html, report.md, report.json and junit.xml into the run folder `out`, from what is in it.

    Returns the report. Raises UsageError if `out` is no run folder, cannot be written, or has no valid policy.toml.
    """
    return write_merged([out], out).report


def write_merged(folders: Sequence[Path], out: Path, policy: Path | None = None, explored: Path | None = None) -> Built:
    """Build one report of several run folders, write it into `out`, and return it. Raises UsageError as both do."""
    built = build(folders, policy, explored)
    write_files(built, out)
    return built


def write_files(built: Built, out: Path) -> None:
    """Write the four files, each replaced in one step: a reader never sees half of one. Raises UsageError."""
    files = {
        "report.json": json.dumps(built.report.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n",
        "report.md": markdown(built.report),
        "junit.xml": junit(built.report),
        "report.html": html(built),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            # Text that came from a broken process may contain lone surrogates, which UTF-8 cannot encode.
            write_atomic(out / name, text, errors="replace")
    except OSError as why:
        raise UsageError(f"{out}: the report cannot be written: {why.strerror or why} ({why.filename})") from None
