"""Both logs of one partition: their ends, positions that were read up to, and findings of the comparison."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from cutover_harness.mirror.comparison import Comparison, Entry
from cutover_harness.mirror.key_comparison import MOST_KEYS, KeyComparison
from cutover_harness.mirror.log_reader import Record
from cutover_harness.mirror.mm2_topics import OffsetSync
from cutover_harness.types import PartitionId

# The target's last records that are remembered of a compacted partition, to find one of them on the source.
_TAIL = 100


@dataclass(frozen=True)
class LogEnds:
    """Start and end offsets of a partition's logs, None if the target lacks it. `stable`: the last stable offset."""

    source_start: int
    source_end: int
    stable: int
    target_start: int | None
    target_end: int | None


@dataclass
class PartitionLogs:
    """One partition's two logs: how far each is read, and what the comparison found."""

    comparison: Comparison
    ends: LogEnds
    source_at: int
    target_at: int
    stamped: bool
    # The log ends up to which everything was read.
    source_read: int = 0
    target_read: int = 0
    # Why the logs cannot be compared any more, None if they can be.
    replaced: str | None = None
    # The cluster that did not list the partition at the last look.
    gone: Literal["source", "target"] | None = None
    # Where the comparison begins. Target records before are not compared: only their keys count.
    source_begin: int = 0
    target_begin: int = 0
    # If compaction has removed too much to compare the logs in order.
    by_key: KeyComparison | None = None
    next_by_key: float = 0.0
    unaligned: bool = False
    _tail: deque[Entry] = field(default_factory=lambda: deque(maxlen=_TAIL))

    @property
    def complete(self) -> bool:
        """Whether everything is read that both logs had at the last look."""
        return (
            self.source_read >= self.ends.source_end
            and self.target_read >= (self.ends.target_end or 0)
            and self.comparison.wants_target
        )

    @property
    def waits_for_mirror(self) -> bool:
        """Whether source records were read that the mirror has to copy, as far as the comparison shows it."""
        return bool(self.comparison.waiting) and self.by_key is None and not self.comparison.overrun

    @property
    def next_source(self) -> int:
        """The first source offset that is not known to be on the target."""
        known = self.comparison.next_source
        return self.source_at if known is None else known

    def feed_target(self, entries: list[Entry], *, ended: bool) -> None:
        """Take what was read of the target from `target_at` on."""
        compared = [each for each in entries if each.offset >= self.target_begin]
        self.comparison.note_before([each for each in entries if each.offset < self.target_begin])
        self.comparison.feed_target(compared)
        if self.comparison.compacted:
            self._tail.extend(compared)
        if entries:
            self.target_at = entries[-1].offset + 1
        if ended:
            self.target_read = self.ends.target_end or 0

    def feed_source(self, entries: list[Entry], *, ended: bool) -> None:
        """Take what was read of the source from `source_at` on."""
        self.comparison.feed_source(entries)
        if entries:
            self.source_at = entries[-1].offset + 1
        if ended:
            self.source_read = self.ends.source_end

    @property
    def wants_target(self) -> bool:
        """Whether the target's log has more to compare in order."""
        behind = self.target_read < (self.ends.target_end or 0) or not self.comparison.wants_target
        return behind and self.by_key is None

    @property
    def wants_source(self) -> bool:
        """Whether only the source's log has more, behind all that is compared."""
        return not self.complete and not self.comparison.waiting and self.by_key is None

    def begin_by_key(self, most_keys: int = MOST_KEYS) -> None:
        """Begin to compare by keys what cannot be compared in order, with at most so many keys at a time."""
        self.by_key = KeyComparison(
            list(self._tail),
            source_begin=max(self.source_begin, self.ends.source_start),
            source_end=self.ends.source_end,
            target_begin=self.target_begin,
            target_log_start=self.ends.target_start or 0,
            most_keys=most_keys,
            ahead=self.comparison.ahead,
            window=self.comparison.window,
        )

    def end_by_key(self, next_at: float) -> None:
        """Continue in order behind what was compared by keys; not before `next_at` by keys again."""
        assert self.by_key is not None  # noqa: S101 - the caller has begun it
        found = self.by_key.result(
            self.comparison.findings, compared=self.next_source, source_start=self.ends.source_start
        )
        self.unaligned = found is None
        if found is not None and self.by_key.pair is not None:
            self.comparison = found
            self.source_at, self.target_at = (offset + 1 for offset in self.by_key.pair)
            self.source_read, self.target_read = self.source_at, self.target_at
        self.by_key, self.next_by_key = None, next_at

    def entry(self, record: Record) -> Entry:
        """Return the record's fingerprints. Two records collide as rarely as two random 64-bit numbers."""
        stamp = None if self.stamped else record.timestamp
        fingerprint = hash((record.key, record.value, record.headers, stamp))
        return Entry(record.offset, fingerprint, hash(record.key), record.value is None)


def note_ends(partition: PartitionId, pair: PartitionLogs, seen: LogEnds) -> None:
    """Update the start and end offsets of the logs."""
    target_start, target_end = seen.target_start, seen.target_end
    pair.gone = None
    if target_start is None or target_end is None:
        pair.gone = "target"
        target_start, target_end = pair.target_at, pair.target_at
    for side, end, at in (("source", seen.source_end, pair.source_at), ("target", target_end, pair.target_at)):
        if end < at:
            pair.replaced = shorter(partition, side, end, at)
    if seen.source_start > pair.source_at:
        pair.comparison.source_removed(pair.source_at, seen.source_start)
        pair.source_at = seen.source_start
    if target_start > pair.target_at:
        if target_start > pair.target_begin:
            pair.comparison.target_removed()
        pair.target_at = target_start
    pair.comparison.forget_before(seen.source_start)
    pair.ends = seen


def shorter(partition: PartitionId, side: str, end: int, at: int) -> str:
    """Return, in words, that a log ends before what was compared."""
    return (
        f"{partition[0]}-{partition[1]}: the {side}'s log ends at {end} and was compared up to {at}: "
        f"the topic was recreated, or the cluster has lost records"
    )


def after_cut(
    partition: PartitionId, ends: LogEnds, syncs: Iterable[OffsetSync], comparison: Comparison
) -> tuple[int, int]:
    """Return where to begin if the target's log has lost its beginning: at the first remaining pair of offsets."""
    target_start = ends.target_start or 0
    left = [
        (sync.downstream, sync.upstream)
        for sync in syncs
        if (sync.topic, sync.partition) == partition
        and target_start <= sync.downstream < (ends.target_end or 0)
        and ends.source_start <= sync.upstream < ends.source_end
    ]
    if not left:
        return ends.source_start, target_start
    downstream, upstream = min(left)
    if upstream > ends.source_start:
        comparison.findings.cut.append((ends.source_start, upstream))
    return upstream, downstream
