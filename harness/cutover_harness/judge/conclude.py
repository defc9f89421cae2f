"""From the merged measures of all streams to the judgement: measures that need all streams."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from cutover_harness.judge import blackouts
from cutover_harness.judge.exercised import doubts, notes, unmeasured
from cutover_harness.judge.measures import CAUSES
from cutover_harness.judge.model import (
    DrainProof,
    Duplicated,
    GroupMeasures,
    InstanceSummary,
    Judgement,
    LagSample,
    LogMeasures,
    Offender,
    PartitionMeasures,
    RunFacts,
)
from cutover_harness.judge.offsets import OffsetSet
from cutover_harness.judge.partial import GROUP_COUNTS, LOG_COUNTS, MAX_OFFENDERS, Log, Partial
from cutover_harness.judge.positions import regressions
from cutover_harness.judge.shard import Question
from cutover_harness.judge.stranded import Stranded, find_stranded, stranded_offenders
from cutover_harness.ledger.columns import Int64
from cutover_harness.ledger.format import CLUSTER_NAMES
from cutover_harness.ledger.reader import Ledgers


def conclude(question: Question, partial: Partial, facts: RunFacts) -> Judgement:
    """Return the judgement on the ledgers whose streams `partial` covers."""
    stranded = find_stranded(partial, facts)
    proofs = drain_proofs(question.ledgers, facts)
    lag = _while_mirroring(facts)
    groups: list[GroupMeasures] = []
    offenders = stranded_offenders(partial, stranded)
    for group in sorted(question.groups):
        measures, found = _group(question, partial, group, proofs.get(group), stranded)
        groups.append(measures)
        offenders += found
    for (kind, _), candidates in partial.offenders.items():
        if kind != "missing":
            offenders += candidates
    return Judgement(
        run=question.ledgers.run,
        groups=groups,
        logs=_logs(partial, stranded),
        series=blackouts.series(partial.activity),
        blackouts=blackouts.blackouts(partial.activity, facts.cuts),
        offenders=_named(question.ledgers, offenders),
        instances=[
            InstanceSummary(i.label, i.meta.role, i.meta.group, i.rows.count, i.torn, i.meta.closed)
            for i in question.ledgers.instances
        ],
        worst_lag_records=max((sample.records for sample in lag), default=None),
        worst_lag_ms=max((sample.ms for sample in lag if sample.ms is not None), default=None),
        notes=notes(question, partial, groups),
        doubts=doubts(question.ledgers, partial),
    )


def _while_mirroring(facts: RunFacts) -> list[LagSample]:
    """Return the lag samples from stage 2 to stage 7 or 0, if the run has stages.

    Before, the mirror copies what was there already; after, nothing is mirrored any more.
    """
    stages = [mark for mark in facts.marks if mark.kind == "stage"]
    if not stages:
        return facts.lag
    begin = next((mark.time_ns for mark in stages if mark.stage == 2), None)
    end = next((mark.time_ns for mark in stages if mark.stage in (0, 7)), facts.finished_ns)
    return [sample for sample in facts.lag if begin is not None and begin <= sample.time_ns <= end]


def drain_proofs(ledgers: Ledgers, facts: RunFacts) -> dict[str, DrainProof]:
    """Return each group's proof: the conductor's, or else what a member's ledger declares."""
    found = {}
    for instance in ledgers.instances:
        group = instance.meta.group
        if group is not None and instance.meta.role == "consumer" and instance.meta.drained:
            found[group] = DrainProof(group, True, f"{instance.label} declares: {instance.meta.drained}")
    # Of several proofs for a group, one that does not hold counts.
    return found | {proof.group: proof for proof in sorted(facts.drain, key=lambda proof: not proof.held)}


def _group(
    question: Question, partial: Partial, group: str, proof: DrainProof | None, stranded: Stranded
) -> tuple[GroupMeasures, list[Offender]]:
    topics = question.groups[group]
    rows = {(topic, place): counts for (g, topic, place), counts in partial.groups.items() if g == group}
    total = _named_counts(sum(rows.values(), start=np.zeros(len(GROUP_COUNTS), np.int64)))
    drained = proof is not None and proof.held
    passed = _passed(partial, group)
    certain = total["missing"] if drained else sum(len(offsets) for offsets in passed.values())
    commits = regressions(question.ledgers, group)
    back = commits or []
    measures = GroupMeasures(
        group=group,
        topics=sorted(topics),
        members=[i.label for i in question.ledgers.instances if i.meta.group == group],
        **_figures(GroupMeasures, total),
        lost=certain if drained or certain or not total["missing"] else None,
        duplicated=_duplicated(total),
        log_order=sum(int(counts[_LOG_ORDER]) for (topic, _), counts in partial.logs.items() if topic in topics),
        stranded=stranded.of_topics(topics, drained=drained),
        offset_regression=len(back),
        gap_unexplained=_gaps(partial, group),
        drained=drained,
        drain_evidence=proof.evidence if proof else "",
        unmeasured=unmeasured(question, partial, group, commits=commits is not None),
        partitions=[_partition(topic, place, counts) for (topic, place), counts in sorted(rows.items())],
    )
    absent = [
        replace(found, kind="lost" if drained or _is_among(found, passed) else "missing")
        for found in partial.offenders.get(("missing", group), [])
    ]
    return measures, [*absent, *back[:MAX_OFFENDERS]]


_LOG_ORDER = LOG_COUNTS.index("log_order")


def _named_counts(counts: Int64) -> dict[str, int]:
    return dict(zip(GROUP_COUNTS, counts.tolist(), strict=True))


def _figures(kind: type[GroupMeasures | PartitionMeasures], counts: Mapping[str, int]) -> dict[str, Any]:
    """Return the counts that `kind` has a field for."""
    return {each.name: counts[each.name] for each in fields(kind) if each.name in counts}


def _duplicated(counts: Mapping[str, int]) -> Duplicated:
    return Duplicated(**{cause: counts[cause] for cause in CAUSES})


def _partition(topic: str, partition: int, counts: Int64) -> PartitionMeasures:
    named = _named_counts(counts)
    return PartitionMeasures(
        topic=topic,
        partition=partition,
        **_figures(PartitionMeasures, named),
        duplicated=_duplicated(named),
    )


def _passed(partial: Partial, group: str) -> dict[Log, OffsetSet]:
    """Return the missing records that the group went past: it was delivered lower and higher offsets of the log."""
    passed = {}
    for (who, log), missing in partial.missing.items():
        read = partial.delivered.get((who, log))
        bounds = read.bounds if read is not None else None
        if who == group and bounds is not None:
            passed[log] = missing.between(bounds[0] + 1, bounds[1])
    return passed


def _is_among(offender: Offender, offsets: Mapping[Log, OffsetSet]) -> bool:
    for (cluster, topic, partition), found in offsets.items():
        if (CLUSTER_NAMES[cluster], topic, partition) == (offender.cluster, offender.topic, offender.partition):
            return offender.offset in found
    return False


def _gaps(partial: Partial, group: str) -> int:
    total = 0
    for (who, log), read in partial.delivered.items():
        bounds = read.bounds
        if who != group or bounds is None:
            continue
        known = OffsetSet()
        for other in partial.readers(log):
            known.merge(partial.delivered[other, log])
        if log in partial.held:
            known.merge(partial.held[log])
        total += bounds[1] - bounds[0] + 1 - len(known.between(bounds[0], bounds[1] + 1))
    return total


def _logs(partial: Partial, stranded: Stranded) -> list[LogMeasures]:
    found = []
    for (topic, partition), counts in sorted(partial.logs.items()):
        named = dict(zip(LOG_COUNTS, counts.tolist(), strict=True))
        del named["left_unplaced"]
        found.append(LogMeasures(topic, partition, **named, stranded=stranded.count(topic, partition)))
    return found


def _named(ledgers: Ledgers, offenders: list[Offender]) -> list[Offender]:
    names = ledgers.names({offender.stream for offender in offenders if offender.sequence >= 0})
    return [
        replace(offender, key=names[offender.stream].text) if offender.stream in names else offender
        for offender in sorted(offenders, key=lambda o: (o.kind, o.group or "", o.time_ns, o.stream, o.sequence))
    ]
