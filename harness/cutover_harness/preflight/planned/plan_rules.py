"""What `kafka-cutover plan check` finds, as findings. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cutover_harness.preflight.model import Finding, Severity
from cutover_harness.preflight.planned.facts import Facts

_RULE = "kafka-cutover plan check"
_OWN = ("connect", "reach", "statuses")
"""Fields that have rules of their own here."""


def problems(facts: Facts) -> Iterator[Finding]:
    """Return the problems of the plan itself, and against its inventory."""
    for problem in facts.problems:
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        field = f"{problem.field}: " if problem.field else ""
        yield Finding("plan", Severity.BLOCKER, place, field + problem.text, _RULE, "correct the plan")


def unset(facts: Facts) -> Iterator[Finding]:
    """Return what a person has to fill in."""
    if left := [each for each in facts.unset if not each.startswith(_OWN)]:
        yield Finding("plan-unset", Severity.NOTE, "plan", f"leaves open {'; '.join(left)}", _RULE, "fill it in")


RULES = (problems, unset)
