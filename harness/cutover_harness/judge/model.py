"""Input and output of the judge: plain frozen dataclasses with a JSON form.

`docs/measures.md` explains every measure; here is the exact definition.
"""

from dataclasses import dataclass, field
from typing import Literal, Self

from cutover_harness.judge import earlier
from cutover_harness.judge.facts import (
    SOURCE,
    TARGET,
    Arrival,
    Copied,
    Cut,
    Destroyed,
    DrainProof,
    Expectation,
    LagSample,
    Mark,
    Precondition,
    Reach,
    RunFacts,
    Spread,
)
from cutover_harness.judge.jsonable import Json, Jsonable
from cutover_harness.words import did_you_mean

__all__ = [
    "SOURCE",
    "TARGET",
    "Arrival",
    "Blackout",
    "Copied",
    "Cut",
    "Destroyed",
    "DrainProof",
    "Duplicated",
    "Expectation",
    "GroupMeasures",
    "InstanceSummary",
    "Json",
    "Judgement",
    "LagSample",
    "LogMeasures",
    "Mark",
    "Offender",
    "PartitionMeasures",
    "Precondition",
    "Reach",
    "Report",
    "RunFacts",
    "SecondSeries",
    "Series",
    "Spread",
    "Verdict",
]

Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE"]


@dataclass(frozen=True)
class Duplicated(Jsonable):
    """Deliveries to a group beyond a record's first, by cause; the first cause that applies is taken.

    re_read: the same offset of the same partition and cluster was delivered to the group before.
    mirrored_twice / producer_retry: the record was delivered before from the same cluster at another offset, so it is
        in that log twice. producer_retry if a producer sent it to that cluster, mirrored_twice if none did.
    re_read_across: it was delivered before from another cluster only: the group resumed too early on this one.
    """

    re_read: int = 0
    re_read_across: int = 0
    mirrored_twice: int = 0
    producer_retry: int = 0

    @property
    def total(self) -> int:
        """All duplicate deliveries."""
        return self.re_read + self.re_read_across + self.mirrored_twice + self.producer_retry


@dataclass(frozen=True)
class PartitionMeasures(Jsonable):
    """A group's measures on one partition; definitions as in GroupMeasures, `missing` instead of `lost`."""

    topic: str
    partition: int
    acked: int = 0
    delivered: int = 0
    distinct: int = 0
    missing: int = 0
    phantom: int = 0
    aborted_read: int = 0
    duplicated: Duplicated = field(default_factory=Duplicated)
    reordered: int = 0


@dataclass(frozen=True)
class GroupMeasures(Jsonable):
    """Measures of one group over the topics that it should have had.

    sent, acked: distinct records of those topics that were sent, and acknowledged and not aborted.
    delivered: delivery events; distinct: different records delivered.
    missing: acknowledged and never delivered to the group. lost: the same, once the group is proven to have drained.
    destroyed: never delivered either, because a fault destroyed them on purpose (`RunFacts.destroyed`); neither missing
        nor lost.
        Without proof, lost is those that the group provably went past (on the acknowledging cluster it was delivered
        lower and higher offsets of that partition); None if there are none of these but records are missing.
    phantom: different records delivered that no producer sent, or that carry no identity of this run.
    aborted_read: different records delivered although their transaction was aborted (read_committed groups only).
    reordered: records whose first delivery came after the first delivery of a later record of the same stream.
    log_order: records that lie in the target's log behind a record which the source's log (or the producer) has later.
    stranded: records acknowledged on a cluster that the producers finally left, absent on the other. None: unknown.
    offset_regression: commits below an earlier commit of the group on the same partition and cluster.
    gap_unexplained: offsets between the group's first and last on a partition that it skipped and that hold no known
        record. Transaction markers and compaction leave such gaps, so they are reported, not judged, by default.
    unmeasured: why a measure, by its name, is 0 only because the ledgers contain nothing to measure it by.
    """

    group: str
    topics: list[str]
    members: list[str]
    sent: int = 0
    acked: int = 0
    delivered: int = 0
    distinct: int = 0
    missing: int = 0
    lost: int | None = 0
    destroyed: int = 0
    phantom: int = 0
    aborted_read: int = 0
    duplicated: Duplicated = field(default_factory=Duplicated)
    reordered: int = 0
    log_order: int = 0
    stranded: int | None = 0
    offset_regression: int = 0
    gap_unexplained: int = 0
    drained: bool = False
    drain_evidence: str = ""
    unmeasured: dict[str, str] = field(default_factory=dict)
    partitions: list[PartitionMeasures] = field(default_factory=list)


@dataclass(frozen=True)
class LogMeasures(Jsonable):
    """Measures of the producers on one topic and partition, over all clusters, in distinct records.

    acked: acknowledged and not aborted; failed: an error reported and no acknowledgement; aborted: in an aborted
    transaction and not sent again with success; in_doubt: sent, without any outcome (the process died first).
    """

    topic: str
    partition: int
    sent: int = 0
    acked: int = 0
    failed: int = 0
    aborted: int = 0
    in_doubt: int = 0
    log_order: int = 0
    stranded: int = 0


@dataclass(frozen=True)
class SecondSeries(Jsonable):
    """Events per step: values[i] counts the step that begins i steps after `Series.start_ns`.

    group: of deliveries the consumer group, of route-acks the route.
    """

    kind: Literal["acks", "route-acks", "deliveries"]
    group: str | None
    cluster: str
    values: list[int]


@dataclass(frozen=True)
class Series(Jsonable):
    """Acks (of the whole fleet) and deliveries (of each group) per step and cluster.

    start_ns is a whole step; a step is a second, or ten, a hundred ... in a ledger that spans more than 36 hours.
    """

    start_ns: int = 0
    step_ns: int = 1_000_000_000
    seconds: list[SecondSeries] = field(default_factory=list)

    def total(self, kind: str, group: str | None = None) -> list[int]:
        """Per step, summed over the clusters."""
        chosen = [s.values for s in self.seconds if s.kind == kind and s.group == group]
        return [sum(column) for column in zip(*chosen, strict=True)]


@dataclass(frozen=True)
class Blackout(Jsonable):
    """The time without acknowledgements or deliveries around a cut, in milliseconds.

    longest_ms: the longest time without an ack of the whole fleet, or of the cut's route if it has one (producer cut),
        or without a delivery to the group (consumer cut) that overlaps the cut, extended by some seconds of grace after
        it. None: nothing to measure.
    normal_ms: the 99th percentile of the time between successive events outside all cuts; None if there are none.
    worst_instance, worst_instance_ms: for a producer cut, the process that was longest without an ack.
    recovery_ms: from the end of the cut until a second began in which acks or deliveries came at 90% or more of the
        rate in the ten seconds before the cut. None: the rate did not recover during the run, or there was none before.
    """

    role: Literal["producer", "consumer"]
    group: str | None
    from_cluster: str
    to_cluster: str
    time_ns_from: int
    time_ns_to: int
    route: str | None = None
    longest_ms: float | None = None
    gap_from_ns: int | None = None
    gap_to_ns: int | None = None
    normal_ms: float | None = None
    worst_instance: str | None = None
    worst_instance_ms: float | None = None
    recovery_ms: float | None = None


@dataclass(frozen=True)
class Offender(Jsonable):
    r"""One record that violates a measure. offset -1, sequence -1: unknown or none.

    key: the record's key as text (bytes that are not UTF-8 as \xNN), None for a null or an unnamed key.
    seen_by: the instances that logged it, earliest first; detail: what makes it an offender, in words.
    """

    kind: str
    group: str | None
    topic: str
    partition: int
    offset: int
    cluster: str
    stream: int
    sequence: int
    time_ns: int
    key: str | None = None
    seen_by: list[str] = field(default_factory=list)
    detail: str = ""


@dataclass(frozen=True)
class InstanceSummary(Jsonable):
    """One process's ledger: rows read, rows torn by a kill (cut off), and whether it was closed cleanly."""

    instance: str
    role: str
    group: str | None
    events: int
    torn: int
    closed: bool


@dataclass(frozen=True)
class Judgement(Jsonable):
    """Everything measured from one run's ledgers.

    doubts: why the ledgers may be incomplete, in words; with any, nothing passes.
    offenders: the first ten of each kind and group, by time. worst_lag_*: of the mirror, from stage 2 on.
    """

    run: int
    groups: list[GroupMeasures] = field(default_factory=list)
    logs: list[LogMeasures] = field(default_factory=list)
    series: Series = field(default_factory=Series)
    blackouts: list[Blackout] = field(default_factory=list)
    offenders: list[Offender] = field(default_factory=list)
    instances: list[InstanceSummary] = field(default_factory=list)
    worst_lag_records: int | None = None
    worst_lag_ms: float | None = None
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    format: int = 1

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Build from JSON, also with the names of an earlier version."""
        return super().from_json(earlier.judgement(data))

    def group(self, name: str) -> GroupMeasures:
        """Return the measures of one group. Raises KeyError, whose message names the groups that there are."""
        for measures in self.groups:
            if measures.group == name:
                return measures
        known = [measures.group for measures in self.groups]
        near = did_you_mean(name, known)
        there = f"the groups are {', '.join(known)}" if known else "the run had no groups"
        raise KeyError(f"no group {name!r}: {near}{' ' if near else ''}{there}")


@dataclass(frozen=True)
class Verdict(Jsonable):
    """The verdict on a run.

    control: whether it is a negative control, which must violate the measures that it names.
    caught: whether it violated these and no others; None: not a control, or unknown.
    reasons: why it is not a PASS, or why a control was caught.
    preconditions: those of the facts, and the judge's own.
    """

    outcome: Outcome
    control: bool = False
    caught: bool | None = None
    reasons: list[str] = field(default_factory=list)
    preconditions: list[Precondition] = field(default_factory=list)

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Build from JSON, also with the names of an earlier version."""
        return super().from_json(earlier.verdict(data))


@dataclass(frozen=True)
class Report(Jsonable):
    """The content of `verdict.json`: both together."""

    verdict: Verdict
    judgement: Judgement

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Build from JSON, also with the names of an earlier version."""
        return super().from_json(earlier.report(data))
