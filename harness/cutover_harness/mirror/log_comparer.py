"""Compares both clusters' logs while the mirror runs, so that only the tail is left when producers are held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from cutover_harness.admin import Admin
from cutover_harness.mirror.client_properties import librdkafka
from cutover_harness.mirror.comparison import WINDOW, Comparison, Entry
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.log_reader import LogReader, Record, answering, partitions
from cutover_harness.mirror.mm2_topics import InternalTopics
from cutover_harness.mirror.partition_logs import LogEnds, PartitionLogs, after_cut, note_ends, shorter
from cutover_harness.mirror.spec import MirrorSpec
from cutover_harness.token_bucket import TokenBucket
from cutover_harness.types import PartitionId

T = TypeVar("T")
_ANSWER_S = 3.0
_EVERY_S = 0.5
# Records and bytes of a partition that one read takes, and its number of partitions: they bound memory and time.
_CHUNK = 2_000
_CHUNK_BYTES = 2 << 20
_AT_ONCE = 16
# With a limit on the rate; a smaller read would make the client fetch most of it in vain.
_LEAST_CHUNK_BYTES = 64 << 10
# A partition is not compared by keys again before so many times the time that it took.
_BY_KEY_PAUSE = 5
# Compared records that are remembered, of all partitions together, so that repeated ones are recognised.
_REMEMBERED = 2_000_000


class LogComparer:
    """Compares the logs of a batch's topics from their beginnings on. Methods may be called from several threads.

    `starts` returns the source and target offsets at which the comparison begins, of the partitions in which it does
    not begin with the logs. With `spec.compare_rate` a look reads what the limit allows and leaves the rest to later
    looks. Methods raise MirrorError if a cluster refuses or does not answer.
    """

    def __init__(self, spec: MirrorSpec, *, starts: Callable[[], Mapping[PartitionId, tuple[int, int]]] = dict) -> None:
        self._source = Admin(librdkafka(spec.source), timeout_s=_ANSWER_S)
        self._target = Admin(librdkafka(spec.target), timeout_s=_ANSWER_S)
        self._chunk_bytes, self._at_once = _chunks(spec.compare_rate)
        ahead = None if spec.compare_rate is None else self._chunk_bytes
        self._source_log = LogReader(spec.source, "source", ahead_bytes=ahead)
        self._target_log = LogReader(spec.target, "target", ahead_bytes=ahead)
        self._batch = spec.batch
        self._starts = starts
        self._bucket = TokenBucket(spec.compare_rate)
        self._by_key_begun = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pairs: dict[PartitionId, PartitionLogs] = {}
        self._absent: dict[PartitionId, LogEnds] = {}
        # Up to where each log can be read, as of the last look.
        self._source_stable: Mapping[PartitionId, int] = {}
        self._target_stable: Mapping[PartitionId, int] = {}
        self.failure: str | None = None
        self.looks = 0
        """How often records were compared, or nothing was left to compare: what did not change since is evidence."""

    def start(self) -> None:
        """Compare in the background until `close`; a cluster that does not answer is asked again."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log-comparer", daemon=True)
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
            begin = time.monotonic()
            try:
                self.step(_EVERY_S)
                self.failure = None
            except MirrorError as error:
                self.failure = str(error)
            except Exception as error:  # noqa: BLE001 - the thread continues, and nothing counts as compared in the meantime
                self.failure = f"the comparison failed: {type(error).__name__}: {error}"
            pause = max(_EVERY_S - (time.monotonic() - begin), self._bucket.wait_s, 0.01)

    def step(self, seconds: float | None = None) -> bool:
        """Compare new records, for about `seconds` at most; return whether nothing is left of what was there.

        Each step compares something if there is something: on a busy machine, asking for the logs' ends alone may take
        longer than `seconds`.
        """
        with self._lock:
            begin, deadline = self.looks, None if seconds is None else time.monotonic() + seconds
            self._look()
            there = {p: pair for p, pair in self._pairs.items() if pair.gone is None}
            while behind := [p for p, pair in there.items() if pair.wants_target]:
                late = deadline is not None and self.looks > begin and time.monotonic() > deadline
                if late or not self._bucket.ready:
                    return False
                self._round(behind[: self._at_once])
                self.looks += 1
            tails = [p for p, each in there.items() if each.wants_source]
            for first in range(0, len(tails), self._at_once):
                if not self._bucket.ready:
                    return False
                self._read_source(tails[first : first + self._at_once])
            self.looks += 1
            return self._compare_by_key(there, deadline or time.monotonic() + _EVERY_S)

    def _compare_by_key(self, there: Mapping[PartitionId, PartitionLogs], deadline: float) -> bool:
        """Compare, one partition at a time, what cannot be compared in order; return whether nothing is left of it."""
        while chosen := self._next_by_key(there):
            pair = there[chosen]
            if pair.by_key is None:
                pair.begin_by_key()
                self._by_key_begun = time.monotonic()
            read = False
            while pair.by_key is not None:
                if not self._bucket.ready or (read and time.monotonic() > deadline):
                    return False
                read = True
                log = self._source_log if pair.by_key.side == "source" else self._target_log
                entries, ended = self._scan(log, {chosen: pair.by_key.position})
                pair.by_key.feed(entries[chosen], ended=chosen in ended)
                if pair.by_key.done:
                    now = time.monotonic()
                    pair.end_by_key(now + _BY_KEY_PAUSE * (now - self._by_key_begun))
        return not any(pair.comparison.overrun for pair in there.values())

    @staticmethod
    def _next_by_key(there: Mapping[PartitionId, PartitionLogs]) -> PartitionId | None:
        """Return the partition that is being compared by keys, or one that has to be."""
        now = time.monotonic()
        begun = (p for p, pair in there.items() if pair.by_key is not None)
        stuck = (p for p, pair in there.items() if pair.comparison.overrun and now >= pair.next_by_key)
        return next(begun, next(stuck, None))

    def reset(self) -> None:
        """Forget what was compared, and begin again at the next step."""
        with self._lock:
            self._pairs.clear()

    def read(self, reading: Callable[[Mapping[PartitionId, PartitionLogs], Mapping[PartitionId, LogEnds]], T]) -> T:
        """Return what `reading` makes of the partitions that were compared, and of those that the target lacks."""
        with self._lock:
            return reading(self._pairs, self._absent)

    def _has(self, partition: PartitionId) -> bool:
        return not self._pairs[partition].comparison.wants_target

    def _round(self, chosen: Sequence[PartitionId]) -> None:
        """Read more of the target's logs, then of the source's logs as far as needed."""
        self._read_target([p for p in chosen if not self._has(p)])
        for partition in chosen:
            self._pairs[partition].comparison.advance(source_ended=False)
        while (stuck := [p for p in chosen if self._has(p)]) and self._bucket.ready:
            ended = self._read_source(stuck)
            for partition in stuck:
                self._pairs[partition].comparison.advance(source_ended=partition in ended)

    def _read_target(self, chosen: Sequence[PartitionId]) -> None:
        found, ended = self._scan(self._target_log, {p: self._pairs[p].target_at for p in chosen})
        for partition, entries in found.items():
            self._pairs[partition].feed_target(entries, ended=partition in ended)

    def _read_source(self, chosen: Sequence[PartitionId]) -> frozenset[PartitionId]:
        found, ended = self._scan(self._source_log, {p: self._pairs[p].source_at for p in chosen})
        for partition, entries in found.items():
            self._pairs[partition].feed_source(entries, ended=partition in ended)
        return ended

    def _scan(
        self, log: LogReader, positions: Mapping[PartitionId, int]
    ) -> tuple[dict[PartitionId, list[Entry]], frozenset[PartitionId]]:
        if not positions:
            return {}, frozenset()
        found: dict[PartitionId, list[Entry]] = {partition: [] for partition in positions}
        left = dict.fromkeys(positions, self._chunk_bytes)

        def visit(partition: PartitionId, record: Record) -> bool:
            found[partition].append(self._pairs[partition].entry(record))
            left[partition] -= record.size
            return len(found[partition]) < _CHUNK and left[partition] > 0

        ended = log.scan(positions, visit, self._source_stable if log is self._source_log else self._target_stable)
        self._bucket.take(self._chunk_bytes * len(positions) - sum(left.values()))
        side = "source" if log is self._source_log else "target"
        for partition, entries in found.items():
            # If a log has become shorter than the position, a client begins at its start.
            before = positions[partition] - 1
            for entry in entries:
                if entry.offset <= before:
                    self._pairs[partition].replaced = shorter(partition, side, entry.offset, before + 1)
                    break
                before = entry.offset
        return found, ended

    def _look(self) -> None:
        """Ask for the start and end offsets of the logs, and note what was removed before it was read."""
        with answering("source"):
            counts = {name: count for name, count in self._source.partitions().items() if self._batch.mirrors(name)}
        # The target first: the source, asked later, has every record that the target has then.
        with answering("target"):
            target_ends = self._target.end_offsets(counts)
            target_starts = self._target.start_offsets(counts)
            self._target_stable = self._target.stable_offsets(counts)
        with answering("source"):
            starts, ends = self._source.start_offsets(counts), self._source.end_offsets(counts)
            stable = self._source_stable = self._source.stable_offsets(counts)
        self._absent = {}
        new: dict[PartitionId, LogEnds] = {}
        for partition in partitions(counts):
            if partition not in ends:
                continue  # just deleted
            seen = LogEnds(
                starts.get(partition, 0),
                ends[partition],
                stable.get(partition, 0),
                target_starts.get(partition),
                target_ends.get(partition),
            )
            if partition in self._pairs:
                note_ends(partition, self._pairs[partition], seen)
            elif seen.target_end is None or seen.target_start is None:
                self._absent[partition] = seen
            else:
                new[partition] = seen
        for partition, pair in self._pairs.items():
            if partition not in ends:
                pair.gone = "source"
        if new:
            self._begin(new)

    def _begin(self, new: Mapping[PartitionId, LogEnds]) -> None:
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
                source_at, target_at = after_cut(partition, ends, syncs, comparison)
            begin = target_at
            if comparison.compacted:
                target_at = min(target_at, ends.target_start or 0)
            pair = self._pairs[partition] = PartitionLogs(
                comparison,
                ends,
                source_at,
                target_at,
                # The broker sets timestamps on one side at least, so that they differ.
                stamped=any(config.get("message.timestamp.type") == "LogAppendTime" for config in its),
                source_read=source_at,
                target_read=target_at,
                source_begin=source_at,
                target_begin=begin,
            )
            note_ends(partition, pair, ends)


def _chunks(rate: float | None) -> tuple[int, int]:
    """Return how many bytes of a partition one read takes, and of how many partitions: together about one second's."""
    if rate is None:
        return _CHUNK_BYTES, _AT_ONCE
    chunk = min(_CHUNK_BYTES, max(_LEAST_CHUNK_BYTES, int(rate / 4)))
    return chunk, max(1, min(_AT_ONCE, int(rate / chunk)))
