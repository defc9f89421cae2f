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
    steps: list[StepName] = [step.step for step in case.path if step.step != StepName.DELETE_TASK]
    if gate is None or gate.step is None or gate.after or gate.step not in steps:
        return None
    at = gate.step
    found = _without_kills(case, steps) or (violation if len(steps) == len(case.path) else None)
    if found is None or (measure := MEASURES.get(found.damage.kind)) is None:
        return None
    hold = _hold_before(at, steps)
    if _hold_number(at, steps) != steps.index(hold):
        return None  # a fault is injected when its step is reached for the first time, which is too early
    path: list[Any] = []
    for number, step in enumerate(steps):
        if number == steps.index(at):
            path.append({"step": str(step), "safety": False, "dwell_s": 8})
        elif number == steps.index(hold):
            path.append({"step": str(step), "dwell_s": 0})
        else:
            path.append(str(step))
    faults, needs = _faults(at, hold, measure, found)
    scenario = {
        "name": _slug(f"{case.name}-without-{at}-{gate.gate}")[:80].strip("-"),
        "title": f"Negative control: {case.name}, {at} without its gate '{gate.gate}'",
        "documented": found.damage.words,
        "path": path,
        "fleet": {"apps": "restart"} if case.fleet == "restart" else {},
        "faults": faults,
        **needs,
        "expect": {"must_fail": [measure]}
        | ({"stranded": None} if _leaves_behind(steps) else {})
        | ({"duplicated": {}} if measure != "re_read_across" else {
            "duplicated": {"re_read": 0, "re_read_across": 0, "mirrored_twice": 0, "producer_retry": 0}}),
    }  # fmt: skip
    trace = "\n".join(f"#   {line}" for line in found.trace)
    return f"# Found by kafka-cutover scenarios explore:\n{trace}\n{yaml.safe_dump(scenario, sort_keys=False)}"


def _without_kills(case: Case, steps: Sequence[StepName]) -> Violation | None:
    """Return the damage of the path with only these steps and no kill, as a scenario has none.

    With one record more if needed: a restarted group has read one before there is an offset from which it resumes.
    """
    kept = [step for step in case.path if step.step in steps]
    for more in (0, 1):
        bounds = replace(case.bounds, records=case.bounds.records + more, crashes=False)
        if found := Search(replace(case, path=kept, bounds=bounds)).run(waits=False).violation:
            return found
    return None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _leaves_behind(steps: Sequence[StepName]) -> bool:
    """Whether producers come back from the target without a reverse mirror: the path allows that records are left."""
    back = StepName.PRODUCERS_TO_SOURCE
    return StepName.PRODUCERS_TO_TARGET in steps and back in steps and StepName.REVERSE_MIRROR not in steps


def _hold_before(at: StepName, steps: Sequence[StepName]) -> StepName:
    """Return the step at which the clients that `at` moves are held, or `at` itself: the mirror has to stop there."""
    return steps[_hold_number(at, steps)]


def _hold_number(at: StepName, steps: Sequence[StepName]) -> int:
    """Return the place in the path of the step that `_hold_before` returns."""
    moves = "producers" if at == StepName.REVERSE_MIRROR else step_of(at).moves
    held = [n for n in range(steps.index(at)) if step_of(steps[n]).moves == moves and moves is not None]
    return held[-1] if held and step_of(steps[held[-1]]).destination == "hold" else steps.index(at)


def _faults(
    at: StepName, hold: StepName, measure: str, violation: Violation
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the faults, and what has to be so at the step, that bring the damage about on real clusters."""
    frozen = {"kind": "freeze", "of": "connect", "at": str(hold), "when": "during", "until": str(at), "seconds": 6}
    if any("retention removes" in line and "from the source" in line for line in violation.trace):
        return [frozen, {"kind": "expire", "of": "topics", "at": str(hold), "when": "during"}], {}
    if any("retention removes" in line and "from the target" in line for line in violation.trace):
        return [{"kind": "expire", "of": "topics", "cluster": "target", "at": str(at)}], {}
    if any("created again" in line for line in violation.trace):
        return [{"kind": "recreate", "of": "topics", "at": str(at)}], {}
    if at == StepName.REVERSE_MIRROR:
        # Connect has to answer, as the step stops the mirror. The source does not, so that nothing is copied before.
        frozen["until"] = str(hold)
        silent = {"kind": "freeze", "of": "source", "at": str(at), "when": "during", "until": str(at), "seconds": 10}
        return [frozen, silent], {"lag_at": [str(hold)]}
    needs = {"ahead_at": [str(hold)]} if measure == "re_read_across" else {"lag_at": [str(hold)]}
    return [frozen], needs
