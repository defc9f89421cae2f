"""The result of the preflight of a plan as text, as JSON, and as commands."""

from __future__ import annotations

import json

from cutover_harness.cli.preflight_output import counts, lines, summary
from cutover_harness.planning.read import ReadPlan
from cutover_harness.preflight.model import Severity
from cutover_harness.preflight.planned.check import Checked
from cutover_harness.preflight.planned.facts import Facts
from cutover_harness.preflight.planned.grants import commands
from cutover_harness.types import ClusterName
from cutover_harness.words import counted


def _bootstrap(facts: Facts) -> dict[ClusterName, str]:
    return {name: seen.bootstrap for name, seen in facts.seen.items()}


def as_json(read: ReadPlan, facts: Facts, found: Checked) -> str:
    """Return the JSON document."""
    bootstrap = _bootstrap(facts)
    target = facts.target.cluster
    document = {
        "format": 1,
        "plan": {"name": read.plan.name, "file": str(read.path), "sha256": read.digest},
        "batches": [
            {"name": batch.name, "topics": list(batch.topics), "groups": sorted(batch.groups)}
            for batch in facts.scope.batches
        ],
        "counts": counts(found.findings),
        "authorizer": {name: seen.rights.authorizer for name, seen in facts.seen.items()},
        "principals": {name: seen.rights.principal for name, seen in facts.seen.items()},
        "target": {"automq": target.automq, "kind": target.kind},
        "findings": [finding.to_json() for finding in found.findings],
        "grants": [grant.to_json(bootstrap[grant.cluster]) for grant in found.grants],
    }
    return json.dumps(document, indent=2)


def as_text(facts: Facts, found: Checked) -> str:
    """Return the findings, and what was checked."""
    looked = [
        counted(len(facts.scope.batches), "batch", "batches"),
        counted(len(facts.scope.topics), "topic"),
        counted(len(facts.scope.groups), "group"),
        "statuses not named" if facts.fleet is None else counted(len(facts.fleet.clients), "shim client"),
        f"the target is {facts.target.cluster.kind}",
    ]
    return "\n".join(
        [
            *lines(found.findings),
            *(_no_authorizer(name) for name, seen in facts.seen.items() if seen.rights.authorizer is False),
            f"{summary(counts(found.findings))} (checked {', '.join(looked)})",
        ]
    )


def _no_authorizer(cluster: ClusterName) -> str:
    return f"rights: the {cluster} has no authorizer: everything is allowed to everyone"


def as_script(facts: Facts, found: Checked) -> str:
    """Return a shell script, with what is not missing as comments."""
    free = [f"# {_no_authorizer(name)}" for name, seen in facts.seen.items() if seen.rights.authorizer is False]
    script = commands(found.grants, _bootstrap(facts))
    blockers = sum(each.severity == Severity.BLOCKER and each.rule != "missing-right" for each in found.findings)
    others = f"# {counted(blockers, 'blocker')} that no right resolves: preflight without --acl shows them"
    return "\n".join([*free, *(script or ["# no right is missing"]), *([others] if blockers else [])])
