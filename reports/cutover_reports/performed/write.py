"""Write the report of a cutover: three files with the same content. They name topics, clients and hashes of keys."""

from __future__ import annotations

import json
from pathlib import Path

from cutover_harness.errors import UsageError
from cutover_harness.files import PRIVATE, write_atomic

from cutover_reports.performed.build import build
from cutover_reports.performed.html import html
from cutover_reports.performed.markdown import markdown
from cutover_reports.performed.model import CutoverReport


def write_cutover(folder: Path, out: Path, rehearsal: Path | None = None) -> CutoverReport:
    """Write report.html, report.md and report.json of the run in `folder` into `out`, for its owner alone.

    Raises UsageError if `rehearsal` is no folder of a rehearsal, or `out` cannot be written.
    """
    report = build(folder, rehearsal)
    files = {
        "report.json": json.dumps(report.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n",
        "report.md": markdown(report),
        "report.html": html(report),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            # Names that came from a broken process may contain lone surrogates, which UTF-8 cannot encode.
            write_atomic(out / name, text, mode=PRIVATE, errors="replace")
    except OSError as why:
        raise UsageError(f"{out}: the report cannot be written: {why.strerror or why} ({why.filename})") from None
    return report
