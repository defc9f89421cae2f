"""Measures of one shard of the streams: counts and small sets that merge in any order and any grouping."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from cutover_harness.judge.activity import Activity, Source, merge_activity
from cutover_harness.judge.measures import BY_PARTITION
from cutover_harness.judge.model import Offender
from cutover_harness.judge.offsets import OffsetSet
from cutover_harness.judge.window import OddTimes
from cutover_harness.ledger.columns import Int64, UInt64

#: Counts per group, topic and partition.
GROUP_COUNTS = ("sent", "acked", "delivered", "distinct", *BY_PARTITION)
#: Counts per topic and partition.
LOG_COUNTS = ("sent", "acked", "failed", "aborted", "in_doubt", "log_order", "left_unplaced")

MAX_OFFENDERS = 10

_K = TypeVar("_K")

#: Cluster, topic, partition.
Log = tuple[int, str, int]


def _no_streams() -> UInt64:
    return np.empty(0, np.uint64)


def _counts(names: tuple[str, ...]) -> Int64:
    return np.zeros(len(names), np.int64)


@dataclass
class Partial:
    """Measures of some streams; those of disjoint sets of streams of the same ledgers merge into those of the union.

    groups, logs: counts in the order of GROUP_COUNTS and LOG_COUNTS.
    activity: when an instance's records were acknowledged, and when a group got some.
    delivered, missing: offsets delivered to a group; of its missing records on the cluster that acknowledged them.
    held: offsets of records known to be in a log, because they were acknowledged there.
    left: offsets of records acknowledged there and not known to be on another cluster.
    arrived: offsets, on the acknowledging cluster, of records that were also delivered from another cluster.
    offenders: by kind and group, the first ten by time, stream and sequence.
    candidates: the first and the latest ten of each log that may be stranded, by log and whether they are the latest.
    odd_times: by ledger, rows with times outside of the run.
    unlogged, first_unlogged: places of streams that no producer's row is about, and the first by stream and sequence.
    streams: the streams of all rows, ascending; empty unless the question asks for them.
    """

    groups: dict[tuple[str, str, int], Int64] = field(
        default_factory=partial(defaultdict, partial(_counts, GROUP_COUNTS))
    )
    logs: dict[tuple[str, int], Int64] = field(default_factory=partial(defaultdict, partial(_counts, LOG_COUNTS)))
    activity: dict[Source, Activity] = field(default_factory=dict)
    delivered: dict[tuple[str, Log], OffsetSet] = field(default_factory=partial(defaultdict, OffsetSet))
    missing: dict[tuple[str, Log], OffsetSet] = field(default_factory=partial(defaultdict, OffsetSet))
    held: dict[Log, OffsetSet] = field(default_factory=partial(defaultdict, OffsetSet))
    left: dict[Log, OffsetSet] = field(default_factory=partial(defaultdict, OffsetSet))
    arrived: dict[Log, tuple[int, int]] = field(default_factory=dict)
    offenders: dict[tuple[str, str | None], list[Offender]] = field(default_factory=dict)
    candidates: dict[tuple[Log, bool], list[Offender]] = field(default_factory=dict)
    ambiguous: int = 0
    odd_times: dict[str, OddTimes] = field(default_factory=dict)
    unlogged: int = 0
    first_unlogged: tuple[int, int] | None = None
    streams: UInt64 = field(default_factory=_no_streams)
    _readers: dict[Log, list[str]] | None = None

    def add_activity(self, source: Source, activity: Activity | None) -> None:
        """Add events."""
        merged = merge_activity(self.activity.get(source), activity)
        if merged is not None:
            self.activity[source] = merged

    def add_odd_times(self, label: str, odd: OddTimes) -> None:
        """Add rows of a ledger with times outside of the run."""
        before = self.odd_times.get(label)
        self.odd_times[label] = odd if before is None else before.merged(odd)

    def add_unlogged(self, count: int, first: tuple[int, int] | None) -> None:
        """Add places of streams that no producer's row is about."""
        self.unlogged += count
        self.first_unlogged = min((f for f in (first, self.first_unlogged) if f is not None), default=None)

    def add_streams(self, streams: UInt64) -> None:
        """Add the numbers of streams."""
        if len(streams):
            self.streams = np.union1d(self.streams, streams)

    def add_arrived(self, log: Log, low: int, high: int) -> None:
        """Widen the range of a log's offsets whose records are known to have arrived elsewhere."""
        before = self.arrived.get(log, (low, high))
        self.arrived[log] = min(low, before[0]), max(high, before[1])

    def add_offenders(self, kind: str, group: str | None, found: Iterable[Offender]) -> None:
        """Add candidates; only the first ten stay."""
        both = [*self.offenders.get((kind, group), []), *found]
        if both:
            self.offenders[kind, group] = sorted(both, key=_offender_order)[:MAX_OFFENDERS]

    def add_candidates(self, log: Log, found: Iterable[Offender], *, latest: bool) -> None:
        """Add records that may be stranded; only the first, or the latest, ten stay."""
        both = sorted([*self.candidates.get((log, latest), []), *found], key=_offender_order)
        self.candidates[log, latest] = both[-MAX_OFFENDERS:] if latest else both[:MAX_OFFENDERS]

    def readers(self, log: Log) -> list[str]:
        """Return the groups that were delivered something of a log."""
        if self._readers is None:
            self._readers = defaultdict(list)
            for group, each in self.delivered:
                self._readers[each].append(group)
        return self._readers[log]

    def merge(self, other: "Partial") -> "Partial":
        """Add another shard's measures to this one, and return this one."""
        for name, counts in other.groups.items():
            self.groups[name] += counts
        for place, counts in other.logs.items():
            self.logs[place] += counts
        for source, activity in other.activity.items():
            self.add_activity(source, activity)
        self._readers = None
        _merge_sets(self.delivered, other.delivered)
        _merge_sets(self.missing, other.missing)
        _merge_sets(self.held, other.held)
        _merge_sets(self.left, other.left)
        for log, (low, high) in other.arrived.items():
            self.add_arrived(log, low, high)
        for (kind, group), found in other.offenders.items():
            self.add_offenders(kind, group, found)
        for (log, latest), found in other.candidates.items():
            self.add_candidates(log, found, latest=latest)
        self.ambiguous += other.ambiguous
        for label, odd in other.odd_times.items():
            self.add_odd_times(label, odd)
        self.add_unlogged(other.unlogged, other.first_unlogged)
        self.add_streams(other.streams)
        return self


def _merge_sets(into: dict[_K, OffsetSet], other: Mapping[_K, OffsetSet]) -> None:
    for key, offsets in other.items():
        into[key].merge(offsets)


def _offender_order(offender: Offender) -> tuple[int, int, int, int, str]:
    return offender.time_ns, offender.stream, offender.sequence, offender.offset, offender.cluster
