"""All rules over one inventory."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cutover_harness.preflight import clients, clusters, target, topics
from cutover_harness.preflight.model import Finding, Inventory, Severity

Rule = Callable[[Inventory], Iterable[Finding]]
RULES: tuple[Rule, ...] = (*clusters.RULES, *topics.RULES, *target.RULES, *clients.RULES)
_WEIGHT = list(Severity)


def check(inventory: Inventory) -> list[Finding]:
    """Return all findings, most severe first, then in the order of the rules."""
    found = [finding for rule in RULES for finding in rule(inventory)]
    return sorted(found, key=lambda finding: _WEIGHT.index(finding.severity))
