"""Rules about what the plan names and what the clusters have. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cutover_harness.globs import matches
from cutover_harness.preflight.model import Finding, Severity
from cutover_harness.preflight.planned.acl_rules import Answer
from cutover_harness.preflight.planned.facts import Facts
from cutover_harness.preflight.planned.needs import Operation, Resource
from cutover_harness.words import listed

COMPARED = "comparison of plan and clusters"


def topics(facts: Facts) -> Iterator[Finding]:
    """Find topics that the plan names and the source lacks, and batches without topics."""
    for batch in facts.scope.batches:
        gone = [name for name in batch.missing if _may_describe(facts, name)]
        if gone:
            yield Finding(
                "missing-on-source",
                Severity.BLOCKER,
                f"topics {listed(gone)}",
                "are in the plan and do not exist on the source",
                COMPARED,
                "take them out of the plan, or make it again from a new inventory",
                batch.name,
            )
        if not batch.topics and not batch.missing:
            yield Finding(
                "nothing-to-move",
                Severity.BLOCKER,
                f"topics {listed(list(batch.planned.topics))}",
                "match nothing on the source: there is no such topic, or the user of the properties lacks Describe",
                COMPARED,
                "correct the batch, or grant Describe on its topics",
                batch.name,
            )


def _may_describe(facts: Facts, topic: str) -> bool:
    """Return whether the source would show the topic if it existed; otherwise the missing right is the finding."""
    return facts.source.rights.answer(Operation.DESCRIBE, Resource("TOPIC", topic)) == Answer.GRANTED


def unplanned_topics(facts: Facts) -> Iterator[Finding]:
    """Find topics that are in no batch and not among those that stay."""
    found = facts.scope.unplanned(facts.source.names)
    if found:
        yield Finding(
            "unplanned-topics",
            Severity.WARNING,
            f"topics {listed(found)}",
            "are on the source, in no batch and not under stays: they stay there when the applications leave",
            COMPARED,
            "add them to a batch, or to stays if they are meant to stay",
        )


def unplanned_groups(facts: Facts) -> Iterator[Finding]:
    """Find groups that read topics of a batch and are not in it."""
    for batch in facts.scope.batches:
        readers: dict[str, list[str]] = {}
        for name, entry in facts.source.groups.items():
            if name in batch.groups or matches(name, facts.scope.plan.stays_groups):
                continue
            read = [each.topic for each in entry.topics or () if each.topic in batch.topic_set]
            if read:
                readers[name] = read
        for name, read in readers.items():
            other = facts.scope.batch_of_group(name)
            where = "is in no batch" if other is None else f"moves with batch {other}"
            yield Finding(
                "unplanned-group",
                Severity.BLOCKER,
                f"group {name}",
                f"reads {listed(read)} of this batch and {where}: it finds no new records on the source once the "
                "producers have moved",
                COMPARED,
                "add it to the batch, or to stays_groups if it is not needed any more",
                batch.name,
            )


def missing_groups(facts: Facts) -> Iterator[Finding]:
    """Find groups that the plan names and the source lacks."""
    for batch in facts.scope.batches:
        gone = [
            name
            for name in batch.groups
            if name not in facts.source.cluster.groups
            and facts.source.rights.answer(Operation.DESCRIBE, Resource("GROUP", name)) == Answer.GRANTED
        ]
        if gone:
            yield Finding(
                "missing-group",
                Severity.WARNING,
                f"groups {listed(gone)}",
                "are in the plan and not on the source: they were deleted, or their offsets have expired, and there is "
                "nothing to translate",
                COMPARED,
                "take them out of the plan; an application that returns starts at auto.offset.reset",
                batch.name,
            )


def target_kind(facts: Facts) -> Iterator[Finding]:
    """Find a target of another kind than the plan has."""
    kind, found = facts.scope.plan.clusters.target.kind, facts.target.cluster.automq
    if kind is None or found is None or (kind == "automq") == found:
        return
    yield Finding(
        "other-target",
        Severity.BLOCKER,
        "target",
        f"is {'AutoMQ' if found else 'Apache Kafka'}, and the plan says {kind}",
        COMPARED,
        "check the address in the properties of the target, and clusters.target.kind in the plan",
    )


RULES = (topics, unplanned_topics, unplanned_groups, missing_groups, target_kind)
