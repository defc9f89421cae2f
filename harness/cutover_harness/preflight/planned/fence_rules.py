"""Rules about the fence of a batch: ACLs on the source that deny its principals Write. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cutover_harness.preflight.model import Finding, Severity
from cutover_harness.preflight.planned.acl_rules import Answer, allowed
from cutover_harness.preflight.planned.facts import Facts
from cutover_harness.preflight.planned.needs import Operation, Resource
from cutover_harness.preflight.planned.scope import ScopedBatch
from cutover_harness.words import listed

RULE = "the fence of a batch, docs/run.md"


def no_authorizer(facts: Facts) -> Iterator[Finding]:
    """Find fences on a source that checks no rights."""
    if facts.source.rights.authorizer is False:
        for batch in _fenced(facts):
            yield Finding(
                "fence-no-authorizer",
                Severity.BLOCKER,
                "fence",
                "would have no effect: the source has no authorizer",
                RULE,
                "remove fence from the batch",
                batch.name,
            )


def of_ours(facts: Facts) -> Iterator[Finding]:
    """Find fences that would keep kafka-cutover, or the reverse mirror, from writing to the source."""
    ours = {facts.source.rights.principal: "kafka-cutover itself", facts.worker: "the reverse mirror of a rollback"}
    for batch in _fenced(facts):
        for principal in batch.planned.fence:
            if principal in ours:
                yield Finding(
                    "fence-of-ours",
                    Severity.BLOCKER,
                    f"fence against {principal}",
                    f"would also keep out {ours[principal]}, which logs in to the source with this name",
                    RULE,
                    "take it out of fence, or give the applications another login",
                    batch.name,
                )


def not_fenced(facts: Facts) -> Iterator[Finding]:
    """Find principals that ACLs allow to write to the topics of a fenced batch, and that its fence does not name."""
    rights = facts.source.rights
    if rights.acls is None or rights.authorizer is False:
        return
    for batch in _fenced(facts):
        known = {*batch.planned.fence, rights.principal, facts.worker}
        others = {acl.principal for acl in rights.acls if acl.permission == "ALLOW"} - known
        writing = sorted(
            principal
            for principal in others
            if any(
                allowed(rights.index, principal, Operation.WRITE, Resource("TOPIC", topic)) != Answer.MISSING
                for topic in batch.topics
            )
        )
        if writing:
            yield Finding(
                "fence-not-all",
                Severity.WARNING,
                f"fence against {listed(batch.planned.fence)}",
                f"leaves out {listed(writing)}, whom ACLs of the source allow to write to topics of the batch",
                RULE,
                "name them in fence too if they are clients of the batch",
                batch.name,
            )


def _fenced(facts: Facts) -> list[ScopedBatch]:
    return [batch for batch in facts.scope.batches if batch.planned.fence]


RULES = (no_authorizer, of_ours, not_fenced)
