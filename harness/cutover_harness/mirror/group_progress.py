"""Progress of a group: its committed offsets on the source against their translations on the target."""

from collections.abc import Mapping
from dataclasses import dataclass

from cutover_harness.mirror.mm2_topics import Checkpoint
from cutover_harness.types import PartitionId


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


def group_progress(
    source_committed: Mapping[PartitionId, int],
    target_committed: Mapping[PartitionId, int],
    checkpoints: Mapping[PartitionId, Checkpoint],
    source_ends: Mapping[PartitionId, int],
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
