"""How far the mirror has brought the offsets of a group."""

from collections.abc import Mapping
from dataclasses import dataclass

from cutover_harness.admin import Admin, Partition
from cutover_harness.mirror.config import Batch
from cutover_harness.mirror.logs import LogReader, partitions
from cutover_harness.mirror.offsets_topics import Checkpoint, OffsetSync, decode_checkpoint, decode_offset_sync


@dataclass(frozen=True)
class GroupProgress:
    """One partition that a group has committed on the source; offsets are of the next record to read.

    `synchronised`: MirrorMaker 2 has translated exactly what is committed on the source now, and the target holds that
    translation; or nothing was ever in the partition, so that there is nothing to translate. A translation may still be
    early (KAFKA-14666), never late.
    """

    topic: str
    partition: int
    source_committed: int
    checkpoint_upstream: int | None
    checkpoint_downstream: int | None
    target_committed: int | None
    synchronised: bool


class InternalTopics:
    """Follows the two topics on the target that tell what MirrorMaker 2 knows of offsets. Not for several threads."""

    def __init__(self, batch: Batch, target: Admin, log: LogReader) -> None:
        self._batch = batch
        self._target = target
        self._log = log
        self._next: dict[Partition, int] = {}
        self._checkpoints: dict[tuple[str, Partition], Checkpoint] = {}
        self._syncs: list[OffsetSync] = []

    def checkpoints(self, group: str) -> dict[Partition, Checkpoint]:
        """Return the latest checkpoint of each partition of the group."""
        for key, value in self._news(self._batch.checkpoints_topic):
            checkpoint = decode_checkpoint(key, value)
            self._checkpoints[checkpoint.group, (checkpoint.topic, checkpoint.partition)] = checkpoint
        return {partition: c for (name, partition), c in self._checkpoints.items() if name == group}

    def offset_syncs(self) -> list[OffsetSync]:
        """Return all pairs of offsets that are still in the topic or were seen there, oldest first."""
        for key, value in self._news(self._batch.offset_syncs_topic):
            self._syncs.append(decode_offset_sync(key, value))
        return list(self._syncs)

    def _news(self, topic: str) -> list[tuple[bytes, bytes]]:
        counts = self._target.partitions([topic])
        positions = {partition: self._next.get(partition, 0) for partition in partitions(counts)}
        if not positions:
            return []
        news = []
        for partition, records in self._log.read(positions).items():
            for record in records:
                self._next[partition] = record.offset + 1
                if record.key is not None and record.value is not None:
                    news.append((record.key, record.value))
        return news


def group_progress(
    source_committed: Mapping[Partition, int],
    target_committed: Mapping[Partition, int],
    checkpoints: Mapping[Partition, Checkpoint],
    source_ends: Mapping[Partition, int],
) -> list[GroupProgress]:
    """Compare a group's offsets on both sides, partition by partition."""
    rows = []
    for partition, committed in sorted(source_committed.items()):
        checkpoint, target = checkpoints.get(partition), target_committed.get(partition)
        translated = checkpoint is not None and checkpoint.upstream == committed and target == checkpoint.downstream
        never_used = committed == 0 and source_ends.get(partition) == 0
        rows.append(
            GroupProgress(
                topic=partition[0],
                partition=partition[1],
                source_committed=committed,
                checkpoint_upstream=checkpoint.upstream if checkpoint else None,
                checkpoint_downstream=checkpoint.downstream if checkpoint else None,
                target_committed=target,
                synchronised=translated or never_used,
            )
        )
    return rows
