"""Read the folder of a rehearsal, for the comparison with what is there now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input
from cutover_harness.judge.model import RunFacts
from cutover_harness.preflight.planned.rehearsed import Rehearsed, RehearsedRun

_FACTS = "rehearsal.json"
_LARGEST = 1 << 28


def read_rehearsal(folder: Path) -> Rehearsed:
    """Return what the folder contains. Raises UsageError if it is no rehearsal's."""
    file = folder / _FACTS
    if not file.is_file():
        raise UsageError(f"--diff {folder}: has no {_FACTS}: give the folder of a rehearsal (--out)")
    try:
        found: Any = json.loads(read_text_input(file, "rehearsal", _LARGEST))
        plan = found.get("plan") or {}
        asked = [str(name) for name in found["scenarios"]]
        problems = {str(name): str(why) for name, why in found["not_rehearsed"].items()}
        runs = [_run(folder / name, name) for name in asked if (folder / name / "run.json").is_file()]
        done = {run.scenario for run in runs}
        problems |= {name: "it has no result" for name in asked if name not in done and name not in problems}
        digest = plan.get("sha256")
        kind = found.get("target_kind")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(f"--diff {file}: is not a rehearsal's: give the folder of a rehearsal (--out)") from None
    return Rehearsed(
        str(folder), None if digest is None else str(digest), None if kind is None else str(kind), runs, problems
    )


def _run(folder: Path, name: str) -> RehearsedRun:
    facts = RunFacts.load(folder / "run.json")
    whole = facts.completed and (folder / "verdict.json").is_file()
    return RehearsedRun(name, facts.plan, facts.path, facts.testbed, whole, facts.paths)
