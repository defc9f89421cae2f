"""What the comparison needs to know of both clusters: topics, log ends, and MirrorMaker 2's pairs of offsets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException

from cutover_harness.admin import Admin
from cutover_harness.errors import UsageError
from cutover_harness.globs import is_glob
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.log_reader import LogReader, partitions
from cutover_harness.mirror.mm2_topics import InternalTopics, OffsetSync
from cutover_harness.mirror.spec import Batch
from cutover_harness.types import PartitionId

Pair = tuple[int, int]
"""A record's offset on the source and on the target."""


@dataclass(frozen=True)
class Logs:
    """The logs of one partition. `stable`: where the first open transaction starts, else the end.

    The target's offsets are None if it lacks the partition.
    """

    source_start: int
    source_end: int
    stable: int
    target_start: int | None
    target_end: int | None
    compacted: bool = False
    stamped: bool = False


@dataclass(frozen=True)
class Seen:
    """Both clusters at the time of asking. `no_pairs`: why there are no pairs of offsets, None if there are."""

    source_id: str | None
    target_id: str | None
    logs: Mapping[PartitionId, Logs]
    pairs: Mapping[PartitionId, tuple[Pair, ...]] = field(default_factory=dict)
    no_pairs: str | None = None
    absent: tuple[str, ...] = ()
    """Topics that the batch has by name and the source does not show."""

    @property
    def topics(self) -> list[str]:
        """Topics of the batch that the source has."""
        return sorted({topic for topic, _ in self.logs})


def see(source: Mapping[str, str], target: Mapping[str, str], batch: Batch) -> Seen:
    """Ask both clusters. Raises KafkaException if one does not answer, UsageError if no topic is there."""
    ours, theirs = Admin(source), Admin(target)
    counts = {name: count for name, count in ours.partitions().items() if batch.mirrors(name)}
    if not counts:
        raise UsageError(f"batch {batch.name}: the source has no topic of it: check its topics, and the user's rights")
    # The source first: the target, asked later, may have more, and that is told apart.
    starts, ends, stable = ours.start_offsets(counts), ours.end_offsets(counts), ours.stable_offsets(counts)
    there = theirs.partitions(counts)
    target_starts, target_ends = theirs.start_offsets(there), theirs.stable_offsets(there)
    compacted, stamped = _settings(ours, theirs, counts, there)
    logs = {
        partition: Logs(
            starts.get(partition, 0),
            ends[partition],
            stable.get(partition, 0),
            target_starts.get(partition),
            target_ends.get(partition),
            partition[0] in compacted,
            partition[0] in stamped,
        )
        for partition in partitions(counts)
        if partition in ends
    }
    syncs, why = _syncs(batch, theirs, target)
    pairs: dict[PartitionId, set[Pair]] = {}
    for sync in syncs:
        pairs.setdefault((sync.topic, sync.partition), set()).add((sync.upstream, sync.downstream))
    its = {partition: tuple(sorted(found)) for partition, found in pairs.items()}
    return Seen(ours.cluster_id(), theirs.cluster_id(), logs, its, why, absent(batch, counts))


def absent(batch: Batch, there: Collection[str]) -> tuple[str, ...]:
    """Return the topics that the batch has by name and that are not among the source's. Pure."""
    return tuple(
        sorted(name for name in batch.topics if not is_glob(name) and batch.mirrors(name) and name not in there)
    )


def _settings(ours: Admin, theirs: Admin, counts: Iterable[str], there: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return the topics that are compacted on either side, and those whose timestamps the target sets."""
    here, other = _configs(ours, counts), _configs(theirs, there)
    compacted = {
        topic for found in (here, other) for topic, its in found.items() if "compact" in its.get("cleanup.policy", "")
    }
    stamped = {topic for topic, its in other.items() if its.get("message.timestamp.type") == "LogAppendTime"}
    return compacted, stamped


def _configs(admin: Admin, topics: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
    try:
        return admin.topic_configs(topics)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise
        raise UsageError(
            "verify needs the right DescribeConfigs on the batch's topics, to know which are compacted: grant it"
        ) from None


def _syncs(batch: Batch, theirs: Admin, target: Mapping[str, str]) -> tuple[list[OffsetSync], str | None]:
    topic = batch.offset_syncs_topic
    if not theirs.partitions([topic]):
        return [], f"the target has no topic {topic}: comparisons begin at the logs' starts"
    log = LogReader(target, "target")
    try:
        return InternalTopics(batch, theirs, log).offset_syncs(), None
    except MirrorError as error:
        return [], f"the pairs of offsets in {topic} cannot be read ({error}): comparisons begin at the logs' starts"
    finally:
        log.close()
