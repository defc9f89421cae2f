"""Exact resume: the very record on the target at which a stopped group goes on, with proof.

MirrorMaker 2 translates a group's offsets early (KAFKA-14666), so that the group reads again. Its pairs of offsets and
the records themselves tell more: see `cutover_harness.mirror.lockstep`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException

from cutover_harness.admin import Admin, Partition
from cutover_harness.mirror.clients import librdkafka
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.lockstep import GAP, Bracket, Entry, Kind, Outcome, Pair, Walk, brackets
from cutover_harness.mirror.logs import LogReader, Record, answering
from cutover_harness.mirror.offsets_topics import OffsetSync

# Records from where a walk begins to where it gives up: with 130 bytes for each this is what bounds the memory.
LIMIT = 100_000
_AT_ONCE = 8
# Records of a partition that one round reads of each log: few at first, as pairs are near mostly.
_FIRST_ROUND, _ROUND = 256, 2 * GAP


@dataclass(frozen=True)
class ExactOffset:
    """Where a group goes on in one partition; offsets are of the next record to read.

    `proved`: `target_offset` is exact, and `evidence` says by which records. Otherwise it is MirrorMaker 2's own
    translation, None where there is none, and `evidence` says why there is no proof. `waits`: there will be one once
    the mirror has brought what is still missing. `skipped_duplicates` counts records in the target's log that
    MirrorMaker 2 wrote twice, as far as the logs were walked.
    """

    topic: str
    partition: int
    source_committed: int
    target_offset: int | None
    proved: bool
    evidence: str
    skipped_duplicates: int
    waits: bool = False


class ExactResume:
    """Computes and sets the offsets of stopped groups. Not for several threads at once.

    `source` and `target` are librdkafka properties. Methods raise MirrorError where a cluster refuses or does not
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def compute(self, group: str, topics: Iterable[str], syncs: Iterable[OffsetSync]) -> list[ExactOffset]:
        """Return a row for each partition of `topics` that the group has committed on the source.

        The group has to be stopped there, its last commit made; producers and the mirror may be at work. `syncs` are
        `Mirror.offset_syncs()`: without them walks begin at the logs' starts.
        """
        with answering("source"):
            committed = self._source.committed(group, topics)
        translated, walks = self._prepare(group, committed, syncs)
        for first in range(0, len(walks), _AT_ONCE):
            self._walk(walks[first : first + _AT_ONCE])
        return [_row(walk, translated.get(walk.partition)) for walk in walks]

    def apply(self, group: str, offsets: Sequence[ExactOffset]) -> None:
        """Set the proved offsets on the target and read them back; the others stay as they are.

        The group must have no members there. MirrorMaker 2's own synchronisation only moves a group forward and is
        never ahead of a proved offset, but in the milliseconds between its look and its write it may undo this: see
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
        self, group: str, committed: Mapping[Partition, int], syncs: Iterable[OffsetSync]
    ) -> tuple[Mapping[Partition, int], list["_PartitionWalk"]]:
        topics = {topic for topic, _ in committed}
        with answering("source"):
            source_start, source_end = self._source.start_offsets(topics), self._source.end_offsets(topics)
            configs = [self._source.topic_configs(self._source.partitions(topics))]
        with answering("target"):
            target_start = self._target.start_offsets(topics)
            translated = self._target.committed(group, topics)
            configs.append(self._target.topic_configs(self._target.partitions(topics)))
        pairs: dict[Partition, set[Pair]] = defaultdict(set)
        for sync in syncs:
            pairs[sync.topic, sync.partition].add((sync.upstream, sync.downstream))
        walks = []
        for partition, offset in sorted(committed.items()):
            its = [config.get(partition[0], {}) for config in configs]
            walk = _PartitionWalk(
                partition,
                offset,
                pairs[partition],
                stamped=any(config.get("message.timestamp.type") == "LogAppendTime" for config in its),
                starts=(source_start.get(partition, 0), target_start.get(partition, 0)),
                limit=self._limit,
            )
            if offset > source_end.get(partition, -1):
                walk.refuse(
                    f"the source's log ends at {source_end.get(partition, 'nothing')}: was the topic made again?"
                )
            else:
                walk.plan(compacted=any("compact" in config.get("cleanup.policy", "") for config in its))
            walks.append(walk)
        return translated, walks

    def _walk(self, walks: Sequence["_PartitionWalk"]) -> None:
        """Read both logs, round by round, until all walks are over."""
        size = _FIRST_ROUND
        while active := [walk for walk in walks if walk.outcome is None]:
            # The target before the source, so that the source has whatever the target has.
            for walk, ended in _read(self._target_log, [w for w in active if w.wants_target], "target", size):
                walk.target_ended = ended
            source_ended = dict(_read(self._source_log, [w for w in active if w.wants_source], "source", size))
            for walk in active:
                walk.advance(source_ended=source_ended.get(walk, False))
            size = min(4 * size, _ROUND)


@dataclass(eq=False)
class _PartitionWalk:
    """One partition's walks, one bracket after the other, and how far its logs are read."""

    partition: Partition
    committed: int
    pairs: set[Pair]
    # The broker sets timestamps on one side at least, so that they differ.
    stamped: bool
    starts: tuple[int, int]
    limit: int
    outcome: Outcome | None = None
    target_ended: bool = False
    position: dict[str, int] = field(default_factory=dict)
    _brackets: list[Bracket] = field(default_factory=list)
    _walk: Walk | None = None

    def plan(self, *, compacted: bool) -> None:
        """Choose where to begin."""
        self._brackets = brackets(self.committed, self.pairs, *self.starts, compacted=compacted, limit=self.limit)
        if self._brackets:
            self._begin()
        else:
            self.refuse(f"no offset sync, nor the start of the log, is within {self.limit} records before")

    @property
    def duplicates(self) -> int:
        """Records found that were mirrored twice."""
        return self._walk.duplicates if self._walk else 0

    @property
    def wants_source(self) -> bool:
        """Whether to read on in the source's log."""
        return self._walk is not None and self._walk.wants_source

    @property
    def wants_target(self) -> bool:
        """Whether to read on in the target's log."""
        return self._walk is not None and self._walk.wants_target and not self.target_ended

    def refuse(self, why: str) -> None:
        """End without a walk."""
        self.outcome = Outcome(Kind.REFUSED, None, why)

    def feed(self, side: str, entries: list[Entry]) -> None:
        """Pass on what was read."""
        assert self._walk is not None  # noqa: S101 - only what wants is read
        self._walk.feed(entries if side == "source" else (), entries if side == "target" else ())
        if entries:
            self.position[side] = entries[-1][0] + 1

    def advance(self, *, source_ended: bool) -> None:
        """Walk on; where it is refused, walk again from the next bracket."""
        assert self._walk is not None  # noqa: S101 - begun by `plan`
        self._walk.advance(source_ended=source_ended, target_ended=self.target_ended)
        if self._walk.outcome is None:
            return
        if self._walk.outcome.kind == Kind.REFUSED and self._brackets:
            self._begin()
        else:
            self.outcome = self._walk.outcome

    def entry(self, record: Record) -> Entry:
        """Return what stands for the record. Collisions: as likely as two random 64-bit numbers that are equal."""
        time = None if self.stamped else record.timestamp
        return record.offset, hash((record.key, record.value, record.headers, time))

    def _begin(self) -> None:
        bracket = self._brackets.pop(0)
        at = bracket.pair or self.starts
        self.position = {"source": at[0], "target": at[1]}
        self.target_ended = False
        self._walk = Walk(self.committed, bracket, self.pairs, limit=self.limit)


def _read(
    log: LogReader, walks: Sequence[_PartitionWalk], side: str, size: int
) -> Iterable[tuple[_PartitionWalk, bool]]:
    """Read at most `size` further records for each; says which log was read to its end."""
    if not walks:
        return []
    entries: dict[Partition, list[Entry]] = {walk.partition: [] for walk in walks}
    entry: dict[Partition, Callable[[Record], Entry]] = {walk.partition: walk.entry for walk in walks}

    def visit(partition: Partition, record: Record) -> bool:
        entries[partition].append(entry[partition](record))
        return len(entries[partition]) < size

    ended = log.scan({walk.partition: walk.position[side] for walk in walks}, visit)
    for walk in walks:
        walk.feed(side, entries[walk.partition])
    return [(walk, walk.partition in ended) for walk in walks]


def _row(walk: _PartitionWalk, translated: int | None) -> ExactOffset:
    outcome = walk.outcome
    assert outcome is not None  # noqa: S101 - all walks are over
    proved = outcome.kind == Kind.PROVED
    instead = "has no offset either" if translated is None else f"goes on at {translated}"
    return ExactOffset(
        topic=walk.partition[0],
        partition=walk.partition[1],
        source_committed=walk.committed,
        target_offset=outcome.resume if proved else translated,
        proved=proved,
        evidence=outcome.evidence if proved else f"{outcome.evidence}; MirrorMaker 2 {instead}",
        skipped_duplicates=walk.duplicates,
        waits=outcome.kind == Kind.WAITS,
    )
