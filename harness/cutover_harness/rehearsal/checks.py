"""What is checked before a rehearsal begins, so that a mistake costs no minutes: its folder, and its policy."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from cutover_harness.outputs import check_folder


def check_out(out: Path, policy: Path | None = None) -> None:
    """Check that `out` can be written, and have the report package check the policy: `policy`, or the one in `out`.

    Raises UsageError, before anything starts.
    """
    check_folder(out, "--out")
    for entry in entry_points(group="kafka_cutover.report", name="default"):
        check = getattr(import_module(entry.module), "check_policy", None)
        if check is not None:
            check(out, policy)
