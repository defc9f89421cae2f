"""Comparison of both clusters' logs while the mirror runs, so that only the tail is left once producers are held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from cutover_harness.admin import Admin, Partition
from cutover_harness.mirror.clients import librdkafka
from cutover_harness.mirror.compare import WINDOW, Comparison, Entry
from cutover_harness.mirror.config import Batch
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.groups import InternalTopics
from cutover_harness.mirror.logs import LogReader, Record, answering, partitions
from cutover_harness.mirror.offsets_topics import OffsetSync

T = TypeVar("T")
_ANSWER_S = 3.0
_EVERY_S = 0.5
# What one read takes of a partition, and of how many partitions: this bounds memory, and how long a look waits.
_CHUNK = 2_000
_CHUNK_BYTES = 2 << 20
_AT_ONCE = 16
# Compared records that are remembered, of all partitions together, so that repeated ones are recognised.
_REMEMBERED = 2_000_000


@dataclass(frozen=True)
class Ends:
    """Where a partition's logs begin and end, None: not on the target. `stable`: up to where the source is readable."""

    source_start: int
    source_end: int
    stable: int
    target_start: int | None
    target_end: int | None


@dataclass
class Pair:
    """One partition's two logs: how far each is read, and what the comparison found."""

    comparison: Comparison
    ends: Ends
    source_at: int
    target_at: int
    stamped: bool
    # The log ends up to which everything was read.
    source_read: int = 0
    target_read: int = 0
    # Why the logs cannot be compared any more, None if they can.
    replaced: str | None = None
    # The cluster that did not list the partition at the last look.
    gone: Literal["source", "target"] | None = None
    # What the target's log has before this offset is not compared: only its keys count.
    target_begin: int = 0

    @property
    def complete(self) -> bool:
        """Whether all was read that both logs had at the last look."""
        return (
            self.source_read >= self.ends.source_end
            and self.target_read >= (self.ends.target_end or 0)
            and self.comparison.wants_target
        )

    @property
    def next_source(self) -> int:
        """The first source offset that is not known to be on the target."""
        known = self.comparison.next_source
        return self.source_at if known is None else known

    def entry(self, record: Record) -> Entry:
        """Return what stands for the record. Collisions: as likely as two random 64-bit numbers that are equal."""
        stamp = None if self.stamped else record.timestamp
        fingerprint = hash((record.key, record.value, record.headers, stamp))
        return Entry(record.offset, fingerprint, hash(record.key), record.value is None)


class Walker:
    """Compares the logs of a batch's topics, from where they begin on. Methods may be called from several threads.

    `starts`: the source and target offsets to begin at,
    of partitions that do not begin with their logs. `rate`: records per second that the background comparison reads at
    most, None for no limit. Methods raise MirrorError if a cluster refuses or does not answer.
    """

    def __init__(
        self,
        batch: Batch,
        source: Mapping[str, str],
        target: Mapping[str, str],
        *,
        starts: Callable[[], Mapping[Partition, tuple[int, int]]] = dict,
        rate: float | None = None,
    ) -> None:
        self._source = Admin(librdkafka(source), timeout_s=_ANSWER_S)
        self._target = Admin(librdkafka(target), timeout_s=_ANSWER_S)
        self._source_log = LogReader(source, "source")
        self._target_log = LogReader(target, "target")
        self._batch = batch
        self._starts = starts
        self._rate = rate
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pairs: dict[Partition, Pair] = {}
        self._absent: dict[Partition, Ends] = {}
        self._read = 0
        self.failure: str | None = None

    def start(self) -> None:
        """Compare in the background until `close`; what does not answer is asked again."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="mirror-walker", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the background comparison and close the clients."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._source_log.close()
        self._target_log.close()

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            before, begin = self._read, time.monotonic()
            try:
                self.step(_EVERY_S)
                self.failure = None
            except MirrorError as error:
                self.failure = str(error)
            except Exception as error:  # noqa: BLE001 - the thread goes on, and nothing counts as compared meanwhile
                self.failure = f"the comparison failed: {type(error).__name__}: {error}"
            took = time.monotonic() - begin
            due = (self._read - before) / self._rate if self._rate else 0.0
            pause = max(_EVERY_S - took, due - took, 0.01)

    def step(self, seconds: float | None = None) -> bool:
        """Compare what is new, for about `seconds` at most; return whether nothing is left of what was there."""
        with self._lock:
            deadline = None if seconds is None else time.monotonic() + seconds
            self._look()
            there = {p: pair for p, pair in self._pairs.items() if pair.gone is None}
            while behind := [
                p for p, pair in there.items() if pair.target_read < (pair.ends.target_end or 0) or self._has(p)
            ]:
                self._round(behind[:_AT_ONCE])
                if deadline is not None and time.monotonic() > deadline:
                    return False
            tails = [p for p, each in there.items() if not each.complete and not each.comparison.waiting]
            for first in range(0, len(tails), _AT_ONCE):
                self._read_source(tails[first : first + _AT_ONCE])
            return True

    def reset(self) -> None:
        """Forget what was compared, and begin anew at the next step."""
        with self._lock:
            self._pairs.clear()

    def told(self, reading: Callable[[Mapping[Partition, Pair], Mapping[Partition, Ends]], T]) -> T:
        """Return what `reading` makes of the partitions that were compared, and of those that the target lacks."""
        with self._lock:
            return reading(self._pairs, self._absent)

    def _has(self, partition: Partition) -> bool:
        return not self._pairs[partition].comparison.wants_target

    def _round(self, chosen: Sequence[Partition]) -> None:
        """Read on in the target's logs, then in the source's as far as needed: it has whatever the target has."""
        self._read_target([p for p in chosen if not self._has(p)])
        for partition in chosen:
            self._pairs[partition].comparison.advance(source_ended=False)
        while stuck := [p for p in chosen if self._has(p)]:
            ended = self._read_source(stuck)
            for partition in stuck:
                self._pairs[partition].comparison.advance(source_ended=partition in ended)

    def _read_target(self, chosen: Sequence[Partition]) -> None:
        found, ended = self._scan(self._target_log, {p: self._pairs[p].target_at for p in chosen})
        for partition, entries in found.items():
            pair = self._pairs[partition]
            pair.comparison.note_before([each for each in entries if each.offset < pair.target_begin])
            pair.comparison.feed_target([each for each in entries if each.offset >= pair.target_begin])
            if entries:
                pair.target_at = entries[-1].offset + 1
            if partition in ended:
                pair.target_read = pair.ends.target_end or 0

    def _read_source(self, chosen: Sequence[Partition]) -> frozenset[Partition]:
        found, ended = self._scan(self._source_log, {p: self._pairs[p].source_at for p in chosen})
        for partition, entries in found.items():
            pair = self._pairs[partition]
            pair.comparison.feed_source(entries)
            if entries:
                pair.source_at = entries[-1].offset + 1
            if partition in ended:
                pair.source_read = pair.ends.source_end
        return ended

    def _scan(
        self, log: LogReader, positions: Mapping[Partition, int]
    ) -> tuple[dict[Partition, list[Entry]], frozenset[Partition]]:
        if not positions:
            return {}, frozenset()
        found: dict[Partition, list[Entry]] = {partition: [] for partition in positions}
        left = dict.fromkeys(positions, _CHUNK_BYTES)

        def visit(partition: Partition, record: Record) -> bool:
            found[partition].append(self._pairs[partition].entry(record))
            left[partition] -= len(record.value or b"") + len(record.key or b"")
            return len(found[partition]) < _CHUNK and left[partition] > 0

        ended = log.scan(positions, visit)
        self._read += sum(map(len, found.values()))
        side = "source" if log is self._source_log else "target"
        for partition, entries in found.items():
            # A client begins again at the start of a log that has become shorter than where it was.
            before = positions[partition] - 1
            for entry in entries:
                if entry.offset <= before:
                    self._pairs[partition].replaced = _shorter(partition, side, entry.offset, before + 1)
                    break
                before = entry.offset
        return found, ended

    def _look(self) -> None:
        """Ask where the logs begin and end now, and note what that says of what was not read yet."""
        with answering("source"):
            counts = {name: count for name, count in self._source.partitions().items() if self._batch.mirrors(name)}
        # The target first: whatever it has then, the source has by the time that it is asked.
        with answering("target"):
            target_ends = self._target.end_offsets(counts)
            target_starts = self._target.start_offsets(counts)
        with answering("source"):
            starts, ends = self._source.start_offsets(counts), self._source.end_offsets(counts)
            stable = self._source.stable_offsets(counts)
        self._absent = {}
        new: dict[Partition, Ends] = {}
        for partition in partitions(counts):
            if partition not in ends:
                continue  # deleted meanwhile
            seen = Ends(
                starts.get(partition, 0),
                ends[partition],
                stable.get(partition, 0),
                target_starts.get(partition),
                target_ends.get(partition),
            )
            if partition in self._pairs:
                _note_ends(partition, self._pairs[partition], seen)
            elif seen.target_end is None or seen.target_start is None:
                self._absent[partition] = seen
            else:
                new[partition] = seen
        for partition, pair in self._pairs.items():
            if partition not in ends:
                pair.gone = "source"
        if new:
            self._begin(new)

    def _begin(self, new: Mapping[Partition, Ends]) -> None:
        topics = sorted({topic for topic, _ in new})
        with answering("source"):
            configs = [self._source.topic_configs(topics)]
        with answering("target"):
            configs.append(self._target.topic_configs(topics))
        cut = {p for p, ends in new.items() if ends.target_start}
        syncs = InternalTopics(self._batch, self._target, self._target_log).offset_syncs() if cut else []
        given = self._starts()
        window = max(_CHUNK, min(WINDOW, _REMEMBERED // (len(self._pairs) + len(new))))
        for partition, ends in new.items():
            its = [config.get(partition[0], {}) for config in configs]
            source_at, target_at = given.get(partition, (ends.source_start, ends.target_start or 0))
            comparison = Comparison(
                compacted=any("compact" in config.get("cleanup.policy", "") for config in its),
                target_cut=partition in cut and partition not in given,
                window=window,
            )
            if partition in cut and partition not in given:
                source_at, target_at = _after_cut(partition, ends, syncs, comparison)
            begin = target_at
            if comparison.compacted:
                target_at = min(target_at, ends.target_start or 0)
            pair = self._pairs[partition] = Pair(
                comparison,
                ends,
                source_at,
                target_at,
                # The broker sets timestamps on one side at least, so that they differ.
                stamped=any(config.get("message.timestamp.type") == "LogAppendTime" for config in its),
                source_read=source_at,
                target_read=target_at,
                target_begin=begin,
            )
            _note_ends(partition, pair, ends)


def _note_ends(partition: Partition, pair: Pair, seen: Ends) -> None:
    """Take over where the logs begin and end now."""
    target_start, target_end = seen.target_start, seen.target_end
    pair.gone = None
    if target_start is None or target_end is None:
        pair.gone = "target"
        target_start, target_end = pair.target_at, pair.target_at
    for side, end, at in (("source", seen.source_end, pair.source_at), ("target", target_end, pair.target_at)):
        if end < at:
            pair.replaced = _shorter(partition, side, end, at)
    if seen.source_start > pair.source_at:
        pair.comparison.source_removed(pair.source_at, seen.source_start)
        pair.source_at = seen.source_start
    if target_start > pair.target_at:
        if target_start > pair.target_begin:
            pair.comparison.target_removed()
        pair.target_at = target_start
    pair.comparison.forget_before(seen.source_start)
    pair.ends = seen


def _shorter(partition: Partition, side: str, end: int, at: int) -> str:
    return (
        f"{partition[0]}-{partition[1]}: the {side}'s log ends at {end} and was compared up to {at}: "
        f"the topic was recreated, or the cluster has lost records"
    )


def _after_cut(
    partition: Partition, ends: Ends, syncs: Iterable[OffsetSync], comparison: Comparison
) -> tuple[int, int]:
    """Return where to begin if the target's log has lost its beginning: at the first pair of offsets that is left."""
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
