"""All rules over the facts of a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cutover_harness.planning.paths import steps_of
from cutover_harness.preflight.model import Finding, Severity
from cutover_harness.preflight.planned import (
    acl_copies,
    connect_rules,
    difference,
    existing_rules,
    fence_rules,
    gap_rules,
    headroom,
    join_rules,
    mover_rules,
    plan_rules,
    refusals,
    rights,
    scope_rules,
    spread,
)
from cutover_harness.preflight.planned.facts import Facts
from cutover_harness.preflight.planned.grants import Grant, grants
from cutover_harness.preflight.planned.needs import demands_of
from cutover_harness.preflight.planned.pattern_grants import of_patterns
from cutover_harness.preflight.planned.scope import ScopedBatch

Rule = Callable[[Facts], Iterable[Finding]]
RULES: tuple[Rule, ...] = (
    *plan_rules.RULES,
    *scope_rules.RULES,
    existing_rules.findings,
    refusals.findings,
    *mover_rules.RULES,
    *connect_rules.RULES,
    *headroom.RULES,
    *join_rules.RULES,
    *fence_rules.RULES,
    *spread.RULES,
    *gap_rules.RULES,
)
_WEIGHT = list(Severity)


@dataclass(frozen=True)
class Checked:
    """The findings, most severe first, and what has to be granted."""

    findings: tuple[Finding, ...]
    grants: tuple[Grant, ...]


def check(facts: Facts) -> Checked:
    """Return everything that the rules find; findings of one severity are in the order of the batches."""
    known = {name: seen.rights for name, seen in facts.seen.items()}
    lacking = rights.lacks(demands_of(facts.scope), known, facts.worker)
    copies = _copies(facts)
    found = [finding for rule in RULES for finding in rule(facts)]
    found += difference.rehearsal(facts, _steps_of)
    found += [*rights.findings(lacking), *acl_copies.findings(copies)]
    order = {batch.name: number for number, batch in enumerate(facts.scope.batches)}
    found.sort(key=lambda each: (_WEIGHT.index(each.severity), order.get(each.batch or "", -1)))
    return Checked(tuple(found), (*of_patterns(facts), *grants(lacking, copies)))


def _copies(facts: Facts) -> list[acl_copies.AclCopy]:
    """Return the applications' ACLs that the target lacks, if both clusters check rights and show their ACLs."""
    source, target = facts.source.rights, facts.target.rights
    if not source.acls or target.acls is None or target.authorizer is not True:
        return []
    ours = [name for name in (source.principal, target.principal, facts.worker) if name is not None]
    return acl_copies.copies(facts.scope, source.acls, target.acls, ours)


def _steps_of(batch: ScopedBatch) -> list[str]:
    return [str(step.step) for step in steps_of(batch.planned)]
