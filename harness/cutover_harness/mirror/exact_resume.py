"""Exact resume: exactly the record on the target from which a stopped group resumes, with proof.

MirrorMaker 2 translates a group's offsets to earlier ones (KAFKA-14666), so that the group reads records again. Its
pairs of offsets and the records themselves show the exact one: see `cutover_harness.mirror.resume_search`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException

from cutover_harness.admin import Admin
from cutover_harness.closing import Closing
from cutover_harness.mirror.client_properties import librdkafka
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.log_reader import LogReader, Record, answering
from cutover_harness.mirror.mm2_topics import OffsetSync
from cutover_harness.mirror.resume_search import (
    GAP,
    Entry,
    Kind,
    OffsetPair,
    Outcome,
    ResumeSearch,
    SearchStart,
    search_starts,
)
from cutover_harness.types import PartitionId

# Records after which a search fails: at 130 bytes each they bound the memory.
LIMIT = 100_000
_AT_ONCE = 8
# Records of a partition that one round reads of each log: few at first, because pairs are mostly near.
_FIRST_ROUND, _ROUND = 256, 2 * GAP


@dataclass(frozen=True)
class ExactOffset:
    """The offset from which a group resumes in one partition. Offsets are those of the next record to read.

    `proved`: `target_offset` is exact, and `evidence` names the records. Otherwise it is MirrorMaker 2's own
    translation, None if there is none, and `evidence` is the reason. `waits`: there will be a proof when the mirror has
    copied what is still missing. `skipped_duplicates`: records in the target's log that MirrorMaker 2 wrote twice, as
    far as the logs were compared.
    """

    topic: str
    partition: int
    source_committed: int
    target_offset: int | None
    proved: bool
    evidence: str
    skipped_duplicates: int
    waits: bool = False


class ExactResume(Closing):
    """Computes and sets the offsets of stopped groups. Not thread-safe.

    `source` and `target` are librdkafka properties. Methods raise MirrorError if a cluster refuses or does not
    answer.
    """

    def __init__(self, source: Mapping[str, str], target: Mapping[str, str], *, limit: int = LIMIT) -> None:
        self._limit = limit
        self._source = Admin(librdkafka(source))
        self._target = Admin(librdkafka(target))
        self._source_log = LogReader(source, "source")
        self._target_log = LogReader(target, "target")

    def close(self) -> None:
        """Close the clients."""
        self._source_log.close()
        self._target_log.close()

    def compute(self, group: str, topics: Iterable[str], syncs: Iterable[OffsetSync]) -> list[ExactOffset]:
        """Return a row for each partition of `topics` that the group has committed on the source.

        The group has to be stopped there, after its last commit; producers and the mirror may run. `syncs`:
        `Mirror.offset_syncs()`; without them the searches begin at the logs' starts.
        """
        with answering("source"):
            committed = self._source.committed(group, topics)
        translated, searches = self._prepare(group, committed, syncs)
        for first in range(0, len(searches), _AT_ONCE):
            self._search(searches[first : first + _AT_ONCE])
        return [_row(search, translated.get(search.partition)) for search in searches]

    def apply(self, group: str, offsets: Sequence[ExactOffset]) -> None:
        """Set the proved offsets on the target and read them back; the others stay as they are.

        The group must have no members there. MirrorMaker 2's own synchronisation only moves a group forward and is
        never ahead of a proved offset, but in the milliseconds between its read and its write it may undo this: see
        `Mirror.stop_translating`.
        """
        wanted = {(o.topic, o.partition): o.target_offset for o in offsets if o.proved and o.target_offset is not None}
        try:
            self._target.set_committed(group, wanted)
            found = self._target.committed(group)
        except KafkaException as error:
            if error.args[0].code() in {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP}:
                raise MirrorError(
                    f"group {group} has members on the target: stop them, then set its offsets"
                ) from error
            raise MirrorError(f"the target cluster: {error.args[0].str()}") from error
        for partition, offset in wanted.items():
            if found.get(partition) != offset:
                raise MirrorError(
                    f"group {group} has offset {found.get(partition)} in {partition[0]}-{partition[1]} on the target, "
                    f"just after it was set to {offset}: something else sets it, too"
                )

    def _prepare(
        self, group: str, committed: Mapping[PartitionId, int], syncs: Iterable[OffsetSync]
    ) -> tuple[Mapping[PartitionId, int], list["_PartitionSearch"]]:
        topics = {topic for topic, _ in committed}
        with answering("source"):
            source_start, source_end = self._source.start_offsets(topics), self._source.end_offsets(topics)
            source_stable = self._source.stable_offsets(topics)
            configs = [self._source.topic_configs(self._source.partitions(topics))]
        with answering("target"):
            target_start, target_stable = self._target.start_offsets(topics), self._target.stable_offsets(topics)
            translated = self._target.committed(group, topics)
            configs.append(self._target.topic_configs(self._target.partitions(topics)))
        pairs: dict[PartitionId, set[OffsetPair]] = defaultdict(set)
        for sync in syncs:
            pairs[sync.topic, sync.partition].add((sync.upstream, sync.downstream))
        searches = []
        for partition, offset in sorted(committed.items()):
            its = [config.get(partition[0], {}) for config in configs]
            search = _PartitionSearch(
                partition,
                offset,
                pairs[partition],
                stamped=any(config.get("message.timestamp.type") == "LogAppendTime" for config in its),
                starts=(source_start.get(partition, 0), target_start.get(partition, 0)),
                least={"source": source_stable.get(partition, 0), "target": target_stable.get(partition, 0)},
                limit=self._limit,
            )
            if offset > source_end.get(partition, -1):
                search.refuse(
                    f"the source's log ends at {source_end.get(partition, 'nothing')}: was the topic recreated?"
                )
            else:
                search.plan(compacted=any("compact" in config.get("cleanup.policy", "") for config in its))
            searches.append(search)
        return translated, searches

    def _search(self, searches: Sequence["_PartitionSearch"]) -> None:
        """Read both logs, round by round, until all searches have ended."""
        size = _FIRST_ROUND
        while active := [search for search in searches if search.outcome is None]:
            # The target before the source, so that the source has every record that the target has.
            wanting = [search for search in active if search.wants_target]
            for search, ended in _read(self._target_log, wanting, "target", size):
                search.target_ended = ended
            wanting = [search for search in active if search.wants_source]
            source_ended = dict(_read(self._source_log, wanting, "source", size))
            for search in active:
                search.advance(source_ended=source_ended.get(search, False))
            size = min(4 * size, _ROUND)


@dataclass(eq=False)
class _PartitionSearch:
    """One partition's searches, one after the other, and how far its logs are read."""

    partition: PartitionId
    committed: int
    pairs: set[OffsetPair]
    # The broker sets timestamps on one side at least, so that they differ.
    stamped: bool
    starts: tuple[int, int]
    # Up to where each log could be read when the search began.
    least: Mapping[str, int]
    limit: int
    outcome: Outcome | None = None
    target_ended: bool = False
    position: dict[str, int] = field(default_factory=dict)
    _left: list[SearchStart] = field(default_factory=list)
    _current: ResumeSearch | None = None

    def plan(self, *, compacted: bool) -> None:
        """Choose where the searches begin."""
        self._left = search_starts(self.committed, self.pairs, *self.starts, compacted=compacted, limit=self.limit)
        if self._left:
            self._begin()
        else:
            self.refuse(f"no offset sync, nor the start of the log, is within {self.limit} records before")

    @property
    def duplicates(self) -> int:
        """Records that were found mirrored twice."""
        return self._current.duplicates if self._current else 0

    @property
    def wants_source(self) -> bool:
        """Whether to read more of the source's log."""
        return self._current is not None and self._current.wants_source

    @property
    def wants_target(self) -> bool:
        """Whether to read more of the target's log."""
        return self._current is not None and self._current.wants_target and not self.target_ended

    def refuse(self, why: str) -> None:
        """End without a search; `why` is the reason."""
        self.outcome = Outcome(Kind.REFUSED, None, why)

    def feed(self, side: str, entries: list[Entry]) -> None:
        """Feed the records that were read."""
        assert self._current is not None  # noqa: S101 - it is read only if it wants more
        self._current.feed(entries if side == "source" else (), entries if side == "target" else ())
        if entries:
            self.position[side] = entries[-1][0] + 1

    def advance(self, *, source_ended: bool) -> None:
        """Continue the search; if it is refused, begin the next one."""
        assert self._current is not None  # noqa: S101 - begun by `plan`
        self._current.advance(source_ended=source_ended, target_ended=self.target_ended)
        if self._current.outcome is None:
            return
        if self._current.outcome.kind == Kind.REFUSED and self._left:
            self._begin()
        else:
            self.outcome = self._current.outcome

    def entry(self, record: Record) -> Entry:
        """Return the record's offset and fingerprint. Two records collide as rarely as two random 64-bit numbers."""
        time = None if self.stamped else record.timestamp
        return record.offset, hash((record.key, record.value, record.headers, time))

    def _begin(self) -> None:
        start = self._left.pop(0)
        at = start.pair or self.starts
        self.position = {"source": at[0], "target": at[1]}
        self.target_ended = False
        self._current = ResumeSearch(self.committed, start, self.pairs, limit=self.limit)


def _read(
    log: LogReader, searches: Sequence[_PartitionSearch], side: str, size: int
) -> Iterable[tuple[_PartitionSearch, bool]]:
    """Read at most `size` more records for each search; return the searches, and whether their log ended."""
    if not searches:
        return []
    entries: dict[PartitionId, list[Entry]] = {search.partition: [] for search in searches}
    entry: dict[PartitionId, Callable[[Record], Entry]] = {search.partition: search.entry for search in searches}

    def visit(partition: PartitionId, record: Record) -> bool:
        entries[partition].append(entry[partition](record))
        return len(entries[partition]) < size

    least = {search.partition: search.least[side] for search in searches}
    ended = log.scan({search.partition: search.position[side] for search in searches}, visit, least)
    for search in searches:
        search.feed(side, entries[search.partition])
    return [(search, search.partition in ended) for search in searches]


def _row(search: _PartitionSearch, translated: int | None) -> ExactOffset:
    outcome = search.outcome
    assert outcome is not None  # noqa: S101 - all searches have ended
    proved = outcome.kind == Kind.PROVED
    instead = "has no offset either" if translated is None else f"resumes at {translated}"
    return ExactOffset(
        topic=search.partition[0],
        partition=search.partition[1],
        source_committed=search.committed,
        target_offset=outcome.resume if proved else translated,
        proved=proved,
        evidence=outcome.evidence if proved else f"{outcome.evidence}; MirrorMaker 2 {instead}",
        skipped_duplicates=search.duplicates,
        waits=outcome.kind == Kind.WAITS,
    )
