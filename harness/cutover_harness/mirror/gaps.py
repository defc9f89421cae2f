"""Retention that overtakes the mirror: records that were removed from the source's log before they were copied.

MirrorMaker 2 continues silently at the log's new start (`auto.offset.reset=earliest`), so a gap has to be found while
its position is still before that start.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cutover_harness.mirror.mm2_topics import OffsetSync
from cutover_harness.types import PartitionId


@dataclass(frozen=True)
class Gap:
    """Source offsets from `start` to before `end` of a partition: gone from the source, and not on the target."""

    topic: str
    partition: int
    start: int
    end: int

    def __str__(self) -> str:
        return (
            f"{self.topic}-{self.partition}: source records {self.start} to {self.end - 1} are gone and were not "
            f"mirrored (the log starts at {self.end})"
        )

    def wider(self, other: "Gap | None") -> "Gap":
        """Return one gap for both."""
        if other is None:
            return self
        return Gap(self.topic, self.partition, min(self.start, other.start), max(self.end, other.end))


def without(ends: Mapping[PartitionId, int], gaps: Iterable[Gap]) -> list[tuple[PartitionId, int, int]]:
    """Return each partition's offsets below its end, without the gaps: partition, start, end."""
    left = []
    holes = {(each.topic, each.partition): each for each in gaps}
    for partition, end in ends.items():
        hole = holes.get(partition)
        if hole is None:
            left.append((partition, 0, end))
        else:
            left += [(partition, 0, hole.start), (partition, hole.end, end)]
    return [(partition, start, end) for partition, start, end in left if start < end or start == 0]


def suspects(
    starts: Mapping[PartitionId, int], ends: Mapping[PartitionId, int], stored: Mapping[PartitionId, int]
) -> set[PartitionId]:
    """Return the partitions whose log starts behind the offset that Connect has stored as mirrored.

    A stored offset behind the log's end belongs to a topic that was recreated since, and does not count.
    """
    return {
        partition
        for partition, start in starts.items()
        if start > stored.get(partition, -1) + 1 and stored.get(partition, -1) < ends.get(partition, 0)
    }


def last_syncs(syncs: Iterable[OffsetSync], wanted: Iterable[PartitionId]) -> dict[PartitionId, OffsetSync]:
    """Return the pair of offsets that is last in the target's log, of each wanted partition."""
    found: dict[PartitionId, OffsetSync] = {}
    partitions = set(wanted)
    for sync in syncs:
        partition = sync.topic, sync.partition
        if partition in partitions and (partition not in found or sync.downstream > found[partition].downstream):
            found[partition] = sync
    return found


def gap(partition: PartitionId, start: int, stored: int | None, sync: OffsetSync | None, after: int) -> Gap | None:
    """Return what is missing before `start` of the source's log, None if nothing is.

    `after`: how many records the target has behind the pair. MirrorMaker 2 writes a pair whenever source offsets are
    not consecutive, so those records directly follow the pair's record on the source. If nothing is known to be
    mirrored yet, nothing can be missing: the mirror begins at the log's start.
    """
    known = [] if stored is None else [stored]
    if sync is not None and sync.upstream < start:
        known.append(sync.upstream + after)
    if not known or max(known) + 1 >= start:
        return None
    return Gap(*partition, max(known) + 1, start)
