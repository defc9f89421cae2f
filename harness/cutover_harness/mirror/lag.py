"""Mirror lag by the last records of both logs: an estimate that takes milliseconds.

The records before the last one are compared by `cutover_harness.mirror.log_comparer`. Connect's stored offsets are up
to 2 s old (`offset.flush.interval.ms`; with exactly-once under 0.1 s), and end offsets of two clusters cannot be
compared, because markers of transactions count on each side. So the last record on the target is searched for in the
source's log, from the stored offset on.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cutover_harness.admin import Admin
from cutover_harness.mirror.client_properties import librdkafka
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.gaps import Gap, gap, last_syncs, suspects
from cutover_harness.mirror.log_reader import LogReader, Record, answering, partitions
from cutover_harness.mirror.mm2_topics import OffsetSync
from cutover_harness.mirror.spec import Batch
from cutover_harness.types import PartitionId
from cutover_harness.waits import wait_until

# Records of a partition that one look reads at most. Beyond them the lag is counted from the stored offset.
_SCAN = 20_000
_ANSWER_S = 3.0
# A request takes Connect 0.1 s with exactly-once.
_STORED_AGE_S = 0.4
_CONNECT_AWAY_S = 1.0
_LISTED_AGAIN_S = 0.1


@dataclass(frozen=True)
class Lag:
    """Source records that are not on the target yet, by partition.

    Counted as the distance between the offsets of the last source record and of the last mirrored one (exact except for
    markers, aborted and compacted records between the two, which count as well), plus the records missing before that.
    Records that retention has removed from the source are no lag, because nothing will copy them: see
    `LagEstimator.gaps`.

    `mirrored`: the offset of the last mirrored record. `not_compared`: source offsets up to there that were not found
    on the target record by record yet, so that more may be missing. `amid`: records of the lag that are missing
    although later ones are there.
    """

    records: Mapping[PartitionId, int]
    mirrored: Mapping[PartitionId, int] = field(default_factory=dict)
    not_compared: int = 0
    amid: int = 0

    @property
    def total(self) -> int:
        """The sum over all partitions."""
        return sum(self.records.values())


@dataclass
class _Standing:
    """One partition in one look."""

    start: int
    # The last committed record of each side.
    source: Record | None
    target: Record | None
    # The last source offset that Connect has stored as mirrored.
    stored: int | None
    # The last source offset that is known to be mirrored.
    mirrored: int | None = None

    def __post_init__(self) -> None:
        # An offset beyond the last record belongs to a topic that was deleted and recreated since.
        if self.source is None or (self.stored is not None and self.stored > self.source.offset):
            self.stored = None
        self.mirrored = self.stored

    @property
    def from_stored(self) -> int:
        """Where the counterpart of the target's last record can be at the earliest."""
        return self.start if self.stored is None else max(self.start, self.stored)

    @property
    def lag(self) -> int:
        if self.source is None:
            return 0
        before = self.start - 1 if self.mirrored is None else max(self.mirrored, self.start - 1)
        return max(0, self.source.offset - before)


@dataclass
class LagEstimator:
    """Looks at one batch's partitions on both clusters. Not thread-safe.

    `stored_offsets` returns what Connect has stored. If it raises MirrorError, its last answer is used: what is
    mirrored stays mirrored.
    """

    batch: Batch
    source_config: Mapping[str, str]
    target_config: Mapping[str, str]
    stored_offsets: Callable[[], Mapping[PartitionId, int]]
    offset_syncs: Callable[[], Iterable[OffsetSync]] = tuple
    _stored: Mapping[PartitionId, int] = field(default_factory=dict)
    _stored_at: float = -_STORED_AGE_S
    # A source offset and the target offset of the same record, from the last look.
    _pairs: dict[PartitionId, tuple[int, int]] = field(default_factory=dict)
    _ends: Mapping[PartitionId, int] = field(default_factory=dict)
    _gaps: dict[PartitionId, Gap] = field(default_factory=dict)
    # Topics of the batch that the source listed last, and whether it has ever listed one.
    _listed: frozenset[str] = frozenset()
    _began: bool = False
    target_answered: bool = field(default=False, init=False)
    """Whether the target answered at the last look."""

    def __post_init__(self) -> None:
        self.source = Admin(librdkafka(self.source_config), timeout_s=_ANSWER_S)
        self.target = Admin(librdkafka(self.target_config), timeout_s=_ANSWER_S)
        self._source_log = LogReader(self.source_config, "source")
        self._target_log = LogReader(self.target_config, "target")

    def close(self) -> None:
        """Close the clients."""
        self._source_log.close()
        self._target_log.close()

    def lag(self) -> Lag:
        """Return the lag; without the target it may be too high. Raises MirrorError if the source does not answer."""
        standings = self._look(target_may_be_away=True)
        behind = {
            partition: standing
            for partition, standing in standings.items()
            if standing.lag and standing.target is not None and standing.source is not None
        }
        left = self._by_guess(behind)
        self._by_scan({partition: behind[partition] for partition in left})
        return Lag(
            {partition: standing.lag for partition, standing in standings.items()},
            {p: each.source.offset - each.lag for p, each in standings.items() if each.source is not None},
        )

    def _look(self, *, target_may_be_away: bool) -> dict[PartitionId, _Standing]:
        # In this order: what Connect has stored and what the target has is on the source in any later look.
        if time.monotonic() - self._stored_at > _STORED_AGE_S:
            try:
                self._stored = self.stored_offsets()
                self._stored_at = time.monotonic()
            except MirrorError:
                self._stored_at = time.monotonic() + _CONNECT_AWAY_S
        source_counts = self.topics()
        if self._began and not source_counts:
            raise MirrorError("the source cluster lists no topic of the batch now, and did before")
        target_last: Mapping[PartitionId, Record | None] = {}
        self.target_answered = True
        try:
            with answering("target"):
                target_ends = self.target.end_offsets(source_counts)
                target_starts = self.target.start_offsets(source_counts)
            target_last = self._target_log.last(target_ends, target_starts)
        except MirrorError:
            self.target_answered = False
            if not target_may_be_away:
                raise
        with answering("source"):
            starts = self.source.start_offsets(source_counts)
            self._ends = self.source.end_offsets(source_counts)
        source_last = self._source_log.last(self._ends, starts)
        if target_last:
            self._find_gaps(starts)
        return {
            partition: _Standing(
                start=starts.get(partition, 0),
                source=source_last.get(partition),
                target=target_last.get(partition),
                stored=self._stored.get(partition),
            )
            for partition in partitions(source_counts)
        }

    def gaps(self, *, look: bool) -> list[Gap]:
        """Return what retention removed from the source before it was mirrored, as seen in this look or an earlier one.

        A first look after MirrorMaker 2 has continued behind a gap does not see it.
        """
        if look:
            self._look(target_may_be_away=False)
        return [self._gaps[partition] for partition in sorted(self._gaps)]

    def _find_gaps(self, starts: Mapping[PartitionId, int]) -> None:
        overtaken = suspects(starts, self._ends, self._stored)
        if not overtaken:
            return
        syncs = last_syncs(self.offset_syncs(), overtaken)
        behind = self._target_log.read({partition: sync.downstream + 1 for partition, sync in syncs.items()})
        for partition in overtaken:
            known = self._stored.get(partition), syncs.get(partition), len(behind.get(partition, ()))
            if found := gap(partition, starts[partition], *known):
                self._gaps[partition] = found.wider(self._gaps.get(partition))

    def ends(self) -> dict[PartitionId, int]:
        """Return the end offsets of the batch's partitions on the source."""
        topics = self.topics()
        with answering("source"):
            return self.source.end_offsets(topics)

    @property
    def stored(self) -> Mapping[PartitionId, int]:
        """What Connect had stored at the last look."""
        return self._stored

    def topics(self) -> dict[str, int]:
        """Return the source topics that the batch mirrors, with their partition counts."""

        def listed() -> dict[str, int]:
            return {name: count for name, count in self.source.partitions().items() if self.batch.mirrors(name)}

        with answering("source"):
            # A broker that has just started may not list them all yet (on ZooKeeper); what was deleted stays away.
            found = wait_until(listed, _ANSWER_S, done=self._listed.issubset, backoff_s=_LISTED_AGAIN_S)
        self._listed = frozenset(found)
        self._began = self._began or bool(found)
        return found

    def _by_guess(self, behind: Mapping[PartitionId, _Standing]) -> set[PartitionId]:
        """Find counterparts as far from the last known pair on the source as on the target; return what is left."""
        guesses = {}
        for partition, standing in behind.items():
            assert standing.target is not None and standing.source is not None  # noqa: S101, PT018 - chosen by lag()
            source_offset, target_offset = self._pairs.get(partition, (standing.start, 0))
            guess = source_offset + standing.target.offset - target_offset
            if standing.from_stored <= guess <= standing.source.offset:
                guesses[partition] = guess
        left = set(behind)
        for partition, record in self._source_log.at(guesses).items() if guesses else ():
            if record is not None and self._is_counterpart(partition, behind[partition], record):
                left.discard(partition)
        return left

    def _by_scan(self, behind: Mapping[PartitionId, _Standing]) -> None:
        """Find counterparts by reading from the stored offset on; the first one counts, so the lag is never too low."""
        seen = dict.fromkeys(behind, 0)

        def wanted(partition: PartitionId, record: Record) -> bool:
            seen[partition] += 1
            return seen[partition] < _SCAN and not self._is_counterpart(partition, behind[partition], record)

        if behind:
            self._source_log.read({p: standing.from_stored for p, standing in behind.items()}, wanted)

    def _is_counterpart(self, partition: PartitionId, standing: _Standing, record: Record) -> bool:
        if standing.target is None or not record.same_as(standing.target):
            return False
        standing.mirrored = record.offset
        self._pairs[partition] = (record.offset, standing.target.offset)
        return True
