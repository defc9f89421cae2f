"""How far a mirror is, by the last records of both logs: an estimate that takes milliseconds.

It says nothing of the records before the last one: `cutover_harness.mirror.walker` compares those. Connect's stored
offsets are up to 2 s old (`offset.flush.interval.ms`; with exactly-once under 0.1 s), and end offsets of two clusters
cannot be compared, since markers of transactions count on each side. So the last record on the target is looked up in
the source's log, from the stored offset on.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cutover_harness.admin import Admin, Partition
from cutover_harness.mirror.clients import librdkafka
from cutover_harness.mirror.config import Batch
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.logs import LogReader, Record, answering, partitions
from cutover_harness.mirror.offsets_topics import OffsetSync
from cutover_harness.mirror.overtaken import Gap, gap, last_syncs, suspects

# Records of a partition that one look may go through. What is further is counted from the stored offset.
_SCAN = 20_000
_ANSWER_S = 3.0
# Asking Connect takes it 0.1 s with exactly-once.
_STORED_AGE_S = 0.4
_CONNECT_AWAY_S = 1.0


@dataclass(frozen=True)
class Lag:
    """Source records that are not on the target yet, by partition.

    Counted as the distance between the offsets of the last source record and of the last mirrored one (exact but for
    markers, aborted and compacted records between the two, which count as well), and what is missing before that. What
    retention has removed from the source is no lag, as nothing will bring it: see `Progress.gaps`.

    `mirrored`: the offset of the last mirrored record. `not_compared`: how many source offsets up to there were not
    found on the target record by record yet, so that there may be more missing. `amid`: how many of the records are
    missing amid others that are there.
    """

    records: Mapping[Partition, int]
    mirrored: Mapping[Partition, int] = field(default_factory=dict)
    not_compared: int = 0
    amid: int = 0

    @property
    def total(self) -> int:
        """The sum over all partitions."""
        return sum(self.records.values())


@dataclass
class _Standing:
    """What is known of one partition in one look."""

    start: int
    # The last committed record of each side.
    source: Record | None
    target: Record | None
    # The last source offset that Connect has stored as mirrored.
    stored: int | None
    # The last source offset known to be mirrored, from here on.
    mirrored: int | None = None

    def __post_init__(self) -> None:
        # Beyond the last record there is none: the topic was deleted and made again since.
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
class Progress:
    """Looks at one batch's partitions on both clusters. Not for several threads at once.

    `stored_offsets` returns what Connect has stored, or raises MirrorError, after which the last answer is used: it
    stays true, as what is mirrored stays mirrored.
    """

    batch: Batch
    source_config: Mapping[str, str]
    target_config: Mapping[str, str]
    stored_offsets: Callable[[], Mapping[Partition, int]]
    offset_syncs: Callable[[], Iterable[OffsetSync]] = tuple
    _stored: Mapping[Partition, int] = field(default_factory=dict)
    _stored_at: float = -_STORED_AGE_S
    # A source offset and the target offset of the same record, from the last look.
    _pairs: dict[Partition, tuple[int, int]] = field(default_factory=dict)
    _ends: Mapping[Partition, int] = field(default_factory=dict)
    _gaps: dict[Partition, Gap] = field(default_factory=dict)
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
        """Return the lag now. MirrorError where the source does not answer; without the target it may be too high."""
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

    def _look(self, *, target_may_be_away: bool) -> dict[Partition, _Standing]:
        # In this order: what is stored, then what the target has, are true at least for any later look at the source.
        if time.monotonic() - self._stored_at > _STORED_AGE_S:
            try:
                self._stored = self.stored_offsets()
                self._stored_at = time.monotonic()
            except MirrorError:
                self._stored_at = time.monotonic() + _CONNECT_AWAY_S
        source_counts = self.topics()
        target_last: Mapping[Partition, Record | None] = {}
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

        Once MirrorMaker 2 has gone on behind it a first look sees nothing of it.
        """
        if look:
            self._look(target_may_be_away=False)
        return [self._gaps[partition] for partition in sorted(self._gaps)]

    def _find_gaps(self, starts: Mapping[Partition, int]) -> None:
        overtaken = suspects(starts, self._ends, self._stored)
        if not overtaken:
            return
        syncs = last_syncs(self.offset_syncs(), overtaken)
        behind = self._target_log.read({partition: sync.downstream + 1 for partition, sync in syncs.items()})
        for partition in overtaken:
            known = self._stored.get(partition), syncs.get(partition), len(behind.get(partition, ()))
            if found := gap(partition, starts[partition], *known):
                self._gaps[partition] = found.wider(self._gaps.get(partition))

    def ends(self) -> dict[Partition, int]:
        """Return where the source's logs of the batch end now."""
        topics = self.topics()
        with answering("source"):
            return self.source.end_offsets(topics)

    @property
    def stored(self) -> Mapping[Partition, int]:
        """What Connect had stored at the last look."""
        return self._stored

    def topics(self) -> dict[str, int]:
        """Return the source topics that the batch mirrors, with their partition counts."""
        with answering("source"):
            return {name: count for name, count in self.source.partitions().items() if self.batch.mirrors(name)}

    def _by_guess(self, behind: Mapping[Partition, _Standing]) -> set[Partition]:
        """Find counterparts as far from the last known pair on the source as on the target; returns what is left."""
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

    def _by_scan(self, behind: Mapping[Partition, _Standing]) -> None:
        """Find counterparts by reading on from the stored offset; the first one counts, so lag is never too low."""
        seen = dict.fromkeys(behind, 0)

        def goes_on(partition: Partition, record: Record) -> bool:
            seen[partition] += 1
            return seen[partition] < _SCAN and not self._is_counterpart(partition, behind[partition], record)

        if behind:
            self._source_log.read({p: standing.from_stored for p, standing in behind.items()}, goes_on)

    def _is_counterpart(self, partition: Partition, standing: _Standing, record: Record) -> bool:
        if standing.target is None or not record.same_as(standing.target):
            return False
        standing.mirrored = record.offset
        self._pairs[partition] = (record.offset, standing.target.offset)
        return True
