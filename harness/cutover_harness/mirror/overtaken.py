"""Retention that overtakes the mirror: records that went from the source's log before they were copied.

MirrorMaker 2 goes on at the log's new start without a word (`auto.offset.reset=earliest`), so what is missing has to be
found while its position is still before that start.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cutover_harness.admin import Partition
from cutover_harness.mirror.offsets_topics import OffsetSync


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


def without(ends: Mapping[Partition, int], gaps: Iterable[Gap]) -> list[tuple[Partition, int, int]]:
    """Return what is left of each partition's offsets below its end without the gaps: partition, start, end."""
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
    starts: Mapping[Partition, int], ends: Mapping[Partition, int], stored: Mapping[Partition, int]
) -> set[Partition]:
    """Return the partitions whose log starts behind what Connect has stored as mirrored, as far as it has.

    A stored offset behind the log's end is that of a topic which was made again since: it tells nothing.
    """
    return {
        partition
        for partition, start in starts.items()
        if start > stored.get(partition, -1) + 1 and stored.get(partition, -1) < ends.get(partition, 0)
    }


def last_syncs(syncs: Iterable[OffsetSync], wanted: Iterable[Partition]) -> dict[Partition, OffsetSync]:
    """Return the pair of offsets that is farthest in the target's log, of each partition that is wanted."""
    found: dict[Partition, OffsetSync] = {}
    partitions = set(wanted)
    for sync in syncs:
        partition = sync.topic, sync.partition
        if partition in partitions and (partition not in found or sync.downstream > found[partition].downstream):
            found[partition] = sync
    return found


def gap(partition: Partition, start: int, stored: int | None, sync: OffsetSync | None, after: int) -> Gap | None:
    """Return what is missing before `start` of the source's log, None where nothing is.

    `after`: how many records the target has behind the pair. MirrorMaker 2 writes a pair wherever source offsets are
    not consecutive, so those records are the ones right behind the pair's on the source. Where nothing is known to be
    mirrored yet, nothing can be missing: the mirror begins where the log does.
    """
    known = [] if stored is None else [stored]
    if sync is not None and sync.upstream < start:
        known.append(sync.upstream + after)
    if not known or max(known) + 1 >= start:
        return None
    return Gap(*partition, max(known) + 1, start)
