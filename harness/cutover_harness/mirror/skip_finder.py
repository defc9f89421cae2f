"""Finds the records that groups would skip: reads from both clusters what `cutover_harness.mirror.skipped` judges."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cutover_harness.admin import Admin
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.log_reader import LogReader, Record, answering
from cutover_harness.mirror.mm2_topics import OffsetSync
from cutover_harness.mirror.resume_search import OffsetPair
from cutover_harness.mirror.skipped import (
    Resume,
    Seen,
    Skipped,
    expected,
    first_possible,
    proved_early,
    resume,
    unread,
)
from cutover_harness.types import PartitionId

# Source records of a partition that one look reads; a count that reaches it is "at least".
_LIMIT = 20_000


@dataclass
class _Search:
    """The search, in one partition's source log, for the target's record that the group would read first."""

    at: Resume
    # The target's first record; None if it has none there.
    first: Record | None
    # Its source offset if it is known; without such a record, the end of what is known to be mirrored.
    found: int | None
    compacted: bool
    seen: list[Seen] = field(default_factory=list)
    # Whether the source was read up to its end.
    ended: bool = False

    def visit(self, record: Record) -> bool:
        """Take a source record from the group's offset on; return whether to read more."""
        if self.found is None and self.first is not None and record.same_as(self.first):
            self.found = record.offset
        self.seen.append(Seen(record.offset, record.key, record.value is None))
        reached = self.found is not None and record.offset >= self.found
        return len(self.seen) < _LIMIT and (self.compacted or not reached)

    @property
    def exact(self) -> bool:
        return self.ended or (self.found is not None and bool(self.seen) and self.seen[-1].offset >= self.found)


@dataclass
class SkipFinder:
    """Finds the records that groups would skip. Methods raise MirrorError if a cluster does not answer.

    `syncs` returns MirrorMaker 2's pairs of offsets, `stored` Connect's stored offsets; it may raise MirrorError.
    Not thread-safe.
    """

    source: Admin
    target: Admin
    source_log: LogReader
    target_log: LogReader
    syncs: Callable[[], Iterable[OffsetSync]]
    stored: Callable[[], Mapping[PartitionId, int]]

    def find(self, groups: Sequence[str], topics: Iterable[str], *, offsets: bool = True) -> list[Skipped]:
        """Return what each group would skip in `topics`; empty proves that it would skip nothing.

        Without `offsets` the groups' offsets on the target do not count: only what the target has removed.
        """
        # The target's offsets first: the source's, read later, are the same or newer.
        if not (wanted := list(topics)):
            raise MirrorError("the source lists no topic of the batch")
        with answering("target"):
            on_target = {group: self.target.committed(group, wanted) for group in groups}
        with answering("source"):
            committed = {group: self.source.committed(group, wanted) for group in groups}
            starts, ends = self.source.start_offsets(wanted), self.source.end_offsets(wanted)
        if unlisted := {topic for its in committed.values() for topic, _ in its} - {topic for topic, _ in starts}:
            raise MirrorError(f"the source cluster does not list {min(unlisted)} now")
        if starts.keys() != ends.keys():
            raise MirrorError("the source cluster does not list the same partitions twice")
        with answering("target"):
            target_starts, target_ends = self.target.start_offsets(wanted), self.target.end_offsets(wanted)
        found = []
        pairs: Mapping[PartitionId, Sequence[OffsetPair]] | None = None
        for group in groups:
            suspects = []
            for partition, at in _positions(committed[group], starts):
                its = resume(
                    group,
                    partition,
                    at,
                    on_target[group].get(partition),
                    target_starts.get(partition, 0),
                    offsets=offsets,
                )
                if its.resumes > target_ends.get(partition, 0):
                    found.append(its.beyond(target_ends.get(partition, 0)))
                elif its.resumes > 0 and at < ends[partition]:
                    suspects.append(its)
            if suspects:
                pairs = self._pairs() if pairs is None else pairs
                left = [its for its in suspects if not proved_early(its, pairs.get(its.partition, ()))]
                found += self._search(left, pairs, starts, ends) if left else []
        return found

    def _pairs(self) -> dict[PartitionId, list[OffsetPair]]:
        pairs: dict[PartitionId, list[OffsetPair]] = defaultdict(list)
        for sync in self.syncs():
            pairs[sync.topic, sync.partition].append((sync.upstream, sync.downstream))
        return pairs

    def _search(
        self,
        suspects: Sequence[Resume],
        pairs: Mapping[PartitionId, Sequence[OffsetPair]],
        starts: Mapping[PartitionId, int],
        ends: Mapping[PartitionId, int],
    ) -> list[Skipped]:
        compacted = self._compacted({its.partition[0] for its in suspects})
        first = self.target_log.read({its.partition: its.resumes for its in suspects}, lambda _p, _r: False)
        searches = {
            its.partition: _Search(its, next(iter(first[its.partition]), None), None, its.partition[0] in compacted)
            for its in suspects
        }
        self._guess(searches, pairs)
        self._mirrored(searches, pairs, ends)
        forward = {p: s for p, s in searches.items() if s.found is None or s.found > s.at.committed}
        ended = self.source_log.scan(
            {p: s.at.committed for p, s in forward.items()}, lambda p, record: forward[p].visit(record)
        )
        found, unproved = [], {}
        for partition, search in forward.items():
            search.ended = partition in ended
            at_least = first_possible(search.at.resumes, pairs.get(partition, ()), starts[partition])
            before = search.found if search.found is not None else at_least
            count = unread(search.seen, before, compacted=search.compacted)
            if count and search.compacted and not search.ended:
                found.append(search.at.unclear())  # a later record may replace one that was counted
            elif count:
                exact = search.exact and search.found is not None and not self._more(search, ends[partition])
                found.append(search.at.missing(count, exact=exact))
            elif search.found is None:
                unproved[partition] = search
        return found + self._behind(unproved, pairs, starts)

    def _guess(
        self, searches: Mapping[PartitionId, _Search], pairs: Mapping[PartitionId, Sequence[OffsetPair]]
    ) -> None:
        """Look for the source record where the pair before the target's record predicts it."""
        guesses = {
            partition: guess
            for partition, search in searches.items()
            if search.first is not None
            and (guess := expected(search.first.offset, pairs.get(partition, ()))) is not None
        }
        for partition, record in self.source_log.at(guesses).items() if guesses else ():
            first = searches[partition].first
            if record is not None and first is not None and record.same_as(first):
                searches[partition].found = record.offset

    def _mirrored(
        self,
        searches: Mapping[PartitionId, _Search],
        pairs: Mapping[PartitionId, Sequence[OffsetPair]],
        ends: Mapping[PartitionId, int],
    ) -> None:
        """Find the end of what was mirrored, if the target has no record where the group would resume."""
        empty = [search for search in searches.values() if search.first is None]
        try:
            stored = self.stored() if empty else {}
        except MirrorError:  # the pairs are left
            stored = {}
        for search in empty:
            partition = search.at.partition
            known = [up + 1 for up, _ in pairs.get(partition, ())]
            if partition in stored:
                known.append(stored[partition] + 1)
            search.found = min(max(known, default=0), ends[partition])

    @staticmethod
    def _more(search: _Search, end: int) -> bool:
        """Return whether more may be missing than is counted: more may have been mirrored than is known."""
        return search.first is None and search.found is not None and search.found < end

    def _behind(
        self,
        unproved: Mapping[PartitionId, _Search],
        pairs: Mapping[PartitionId, Sequence[OffsetPair]],
        starts: Mapping[PartitionId, int],
    ) -> list[Skipped]:
        """Look for the target's record before the group's offset: it is there if the group skips nothing."""
        if not unproved:
            return []
        proved = set()

        def visit(partition: PartitionId, record: Record) -> bool:
            search = unproved[partition]
            if record.offset >= search.at.committed:
                return False
            if search.first is not None and record.same_as(search.first):
                proved.add(partition)
            return partition not in proved

        positions = {
            partition: max(
                first_possible(search.at.resumes, pairs.get(partition, ()), starts[partition]),
                search.at.committed - _LIMIT,
            )
            for partition, search in unproved.items()
        }
        self.source_log.scan(positions, visit)
        left = {partition: search for partition, search in unproved.items() if partition not in proved}
        return [search.at.unclear() for search in self._younger(left, starts)]

    def _younger(self, unproved: Mapping[PartitionId, _Search], starts: Mapping[PartitionId, int]) -> list[_Search]:
        """Leave out partitions in which the target still has the source's first record: it lost nothing else."""
        cut = {partition: starts[partition] for partition in unproved if starts[partition] > 0}
        oldest = self.source_log.read(cut, lambda _p, _r: False) if cut else {}
        seen, older = dict.fromkeys(oldest, 0), set()

        def visit(partition: PartitionId, record: Record) -> bool:
            seen[partition] += 1
            if oldest[partition] and record.same_as(oldest[partition][0]):
                older.add(partition)
            return partition not in older and seen[partition] < _LIMIT

        if oldest:
            self.target_log.scan({partition: unproved[partition].at.resumes for partition in oldest}, visit)
        return [search for partition, search in unproved.items() if partition not in older]

    def _compacted(self, topics: Iterable[str]) -> set[str]:
        found = set()
        for name, admin in (("source", self.source), ("target", self.target)):
            with answering(name):
                configs = admin.topic_configs(admin.partitions(topics))
            found |= {topic for topic, config in configs.items() if "compact" in config.get("cleanup.policy", "")}
        return found


def _positions(
    committed: Mapping[PartitionId, int], starts: Mapping[PartitionId, int]
) -> Iterable[tuple[PartitionId, int]]:
    """Return a group's next offset in all partitions of its topics, also in those that it has not committed."""
    topics = {topic for topic, _ in committed}
    for partition, start in sorted(starts.items()):
        if partition[0] in topics:
            yield partition, max(committed.get(partition, start), start)
