"""A counterexample as a scenario file for the testbed, a negative control that must show the same damage.

On the testbed the mirror stays, so that a record that it copies late is delivered late, and not lost: the damage is
that of the path without `delete-task`, which is searched for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import yaml

from cutover_harness.explore.case import Case, Removed
from cutover_harness.explore.search import Search, Violation
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.steps import step_of

MEASURES = {"lost": "lost", "reordered": "reordered", "re-read": "re_read_across", "stranded": "stranded"}
"""The judge's measure of each kind of damage."""


def scenario_of(case: Case, gate: Removed | None, violation: Violation) -> str | None:
    """Return the scenario file, None if the testbed cannot leave out the gate or has no such fault.

    `safety: false` leaves out all gates before a step. A mirror that lags, or a translation that is late, is made by a
    mirror that is frozen.
    """
    steps = [step.step for step in case.path if step.step != StepName.DELETE_TASK]
    if gate is None or gate.step is None or gate.after or gate.step not in steps:
        return None
    at = gate.step
    if len(steps) < len(case.path):
        kept = [step for step in case.path if step.step in steps]
        found = Search(replace(case, path=kept)).run(waits=False).violation
        if found is None:
            return None
        violation = found
    if (measure := MEASURES.get(violation.damage.kind)) is None:
        return None
    hold = _hold_before(at, steps)
    path: list[Any] = [
        {"step": str(step), "safety": False, "dwell_s": 8} if step == at
        else {"step": str(step), "dwell_s": 0} if step == hold
        else str(step)
        for step in steps
    ]  # fmt: skip
    faults, needs = _faults(at, hold, measure, violation)
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


def _hold_before(at: StepName, steps: Sequence[StepName]) -> StepName:
    """Return the step at which the clients that `at` moves are held, or `at` itself: the mirror has to stop there."""
    moves = step_of(at).moves
    held = [step for step in steps[: steps.index(at)] if step_of(step).moves == moves and moves is not None]
    return held[-1] if held and step_of(held[-1]).destination == "hold" else at


def _faults(
    at: StepName, hold: StepName, measure: str, violation: Violation
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the faults, and what has to be so at the step, that bring the damage about on real clusters."""
    frozen = {"kind": "freeze", "of": "connect", "at": str(hold), "when": "during", "until": str(at), "seconds": 6}
    if any("retention removes" in line and "from the source" in line for line in violation.trace):
        return [frozen, {"kind": "expire", "of": "topics", "at": str(hold), "when": "during"}], {}
    if any("created again" in line for line in violation.trace):
        return [{"kind": "recreate", "of": "topics", "at": str(at)}], {}
    needs = {"ahead_at": [str(hold)]} if measure == "re_read_across" else {"lag_at": [str(hold)]}
    return [frozen], needs
