"""A counterexample as a scenario file for the testbed, a negative control that must show the same damage. Pure."""

from __future__ import annotations

import re
from typing import Any

import yaml

from cutover_harness.explore.case import Case, Removed
from cutover_harness.explore.search import Violation
from cutover_harness.procedure.names import StepName

MEASURES = {"lost": "lost", "reordered": "reordered", "re-read": "re_read_across", "stranded": "stranded"}
"""The judge's measure of each kind of damage."""


def scenario_of(case: Case, gate: Removed | None, violation: Violation) -> str | None:
    """Return the scenario file, None if the testbed cannot leave out the gate or has no such fault.

    `safety: false` leaves out all gates before a step. A mirror that lags, or a translation that is late, is made by a
    mirror that is frozen.
    """
    measure = MEASURES.get(violation.damage.kind)
    steps = [step.step for step in case.path]
    if gate is None or gate.step is None or gate.after or measure is None or gate.step not in steps:
        return None
    at = gate.step
    end = steps.index(StepName.DELETE_TASK) if StepName.DELETE_TASK in steps else len(steps)
    path: list[Any] = [
        {"step": str(step), "safety": False, "dwell_s": 8} if step == at else str(step) for step in steps[:end]
    ]
    faults, needs = _faults(at, measure, violation)
    scenario = {
        "name": "without-" + re.sub(r"[^a-z0-9]+", "-", f"{at}-{gate.gate}".lower()).strip("-"),
        "title": f"Negative control: {at} without its gate '{gate.gate}'",
        "documented": violation.damage.words,
        "path": path,
        "fleet": {"apps": "restart"} if case.fleet == "restart" else {},
        "faults": faults,
        **needs,
        "expect": {"must_fail": [measure]} | ({"duplicated": {}} if measure != "re_read_across" else {
            "duplicated": {"re_read": 0, "re_read_across": 0, "mirrored_twice": 0, "producer_retry": 0}}),
    }  # fmt: skip
    trace = "\n".join(f"#   {line}" for line in violation.trace)
    return f"# Found by kafka-cutover scenarios explore:\n{trace}\n{yaml.safe_dump(scenario, sort_keys=False)}"


def _faults(at: StepName, measure: str, violation: Violation) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the faults, and what has to be so at the step, that bring the damage about on real clusters."""
    frozen = {"kind": "freeze", "of": "connect", "at": str(at), "until": str(at), "seconds": 6}
    if any("retention removes" in line and "from the source" in line for line in violation.trace):
        return [frozen, {"kind": "expire", "of": "topics", "at": str(at)}], {}
    if any("created again" in line for line in violation.trace):
        return [{"kind": "recreate", "of": "topics", "at": str(at)}], {}
    needs = {"ahead_at": [str(at)]} if measure == "re_read_across" else {"lag_at": [str(at)]}
    return [frozen], needs
