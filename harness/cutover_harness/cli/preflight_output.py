"""Findings of a preflight as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from cutover_harness.masking import visible
from cutover_harness.preflight.model import Finding, Severity
from cutover_harness.words import counted

WITHOUT_PLAN = tuple(each for each in Severity if each != Severity.UNKNOWN)
"""Without a plan a cluster that cannot be read is an error."""


def counts(findings: Sequence[Finding], severities: Collection[Severity] = tuple(Severity)) -> dict[str, int]:
    """Return the number of findings of each severity."""
    found = Counter(finding.severity for finding in findings)
    return {severity.value: found[severity] for severity in severities}


def lines(findings: Sequence[Finding]) -> list[str]:
    """Return three lines for each finding."""
    out = []
    for found in findings:
        batch = "" if found.batch is None else f"batch {found.batch}: "
        out += [
            f"{found.severity.value.upper():<8} {found.rule}: {batch}{found.subject} {found.reason}",
            f"         source of the rule: {found.source}",
            f"         what to do: {found.remedy}",
        ]
    return [visible(line) for line in out]


def summary(numbers: dict[str, int]) -> str:
    """Return the numbers of findings in words."""
    return ", ".join(
        f"{count} unknown" if name == "unknown" else counted(count, name) for name, count in numbers.items()
    )
