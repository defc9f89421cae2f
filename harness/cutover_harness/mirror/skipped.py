"""Records that a group would skip if it resumed on the target now. Pure functions; `skip_finder` reads what they need.

A group skips records in two ways: the target has removed them (retention, deletion), although the group has not read
them on the source; or the group's offset on the target is ahead of its offset on the source. MirrorMaker 2 does not
correct either: it moves offsets only forward.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cutover_harness.mirror.resume_search import OffsetPair
from cutover_harness.types import PartitionId


@dataclass(frozen=True)
class Skipped:
    """Records that a group would skip in one partition, in words. `sure`: False if the logs do not show it."""

    words: str
    sure: bool = True

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Resume:
    """A group in one partition: its next offset to read on the source (`committed`) and on the target (`resumes`).

    `removed`: the target's log starts at `resumes`, which is behind the group's own offset, or the group has none.
    """

    group: str
    partition: PartitionId
    committed: int
    resumes: int
    removed: bool

    def missing(self, count: int, *, exact: bool) -> Skipped:
        """Return that the group would skip `count` records, or more of them if the count is not exact."""
        number = f"{'' if exact else 'at least '}{count} record{'' if count == 1 else 's'}"
        name = _name(self.partition)
        if self.removed:
            return Skipped(f"the target has removed {number} of {name} that group {self.group} has not read")
        return Skipped(
            f"group {self.group} would skip {number} of {name}: its offset on the target is {self.resumes}, which is "
            f"ahead of {self.committed}, its offset on the source, and MirrorMaker 2 never moves an offset back; "
            "delete the group's offsets on the target, or use set-exact-offsets"
        )

    def beyond(self, end: int) -> Skipped:
        """Return that the group's offset is behind the end of the target's log."""
        return Skipped(
            f"group {self.group} has offset {self.resumes} in {_name(self.partition)} on the target, beyond the end "
            f"of its log ({end}): delete the group's offsets on the target, or use set-exact-offsets"
        )

    def unclear(self) -> Skipped:
        """Return that the records do not show whether the group would skip any."""
        what = "the target's log starts" if self.removed else f"group {self.group} resumes on the target"
        return Skipped(
            f"{_name(self.partition)}: {what} at {self.resumes}, and no record shows whether group {self.group} has "
            f"read all before it (its offset on the source is {self.committed})",
            sure=False,
        )


def resume(
    group: str, partition: PartitionId, committed: int, on_target: int | None, target_start: int, *, offsets: bool
) -> Resume:
    """Return where the group would resume: at its offset on the target, or at the log's start if that is later.

    Without `offsets` only the log's start counts, as the group's offset is about to be set.
    """
    own = on_target if offsets and on_target is not None else 0
    return Resume(group, partition, committed, max(own, target_start), removed=target_start > own)


def proved_early(at: Resume, pairs: Iterable[OffsetPair]) -> bool:
    """Return whether pairs of offsets alone prove that nothing before `resumes` is unread.

    A pair (u, d): source record u is target record d. All of MirrorMaker 2's own translations are proved by them.
    """
    return at.resumes <= max(
        (down + 1 if up < at.committed else down for up, down in pairs if up <= at.committed), default=0
    )


def first_possible(resumes: int, pairs: Iterable[OffsetPair], source_start: int) -> int:
    """Return the lowest source offset that the target's record at or behind `resumes` can have."""
    return max((up + 1 for up, down in pairs if down < resumes), default=source_start)


def expected(target_offset: int, pairs: Iterable[OffsetPair]) -> int | None:
    """Return the source offset of a target record if no record is missing or duplicated since the pair before it."""
    before = max(((down, up) for up, down in pairs if down <= target_offset), default=None)
    return None if before is None else before[1] + target_offset - before[0]


@dataclass(frozen=True, slots=True)
class Seen:
    """The parts of a source record that matter to compaction."""

    offset: int
    key: bytes | None
    tombstone: bool


def unread(records: Sequence[Seen], before: int, *, compacted: bool) -> int:
    """Return how many of these records are below offset `before`.

    In a compacted topic a record with a later one of its key is not counted, nor is a tombstone: compaction may have
    removed it.
    """
    below = [record for record in records if record.offset < before]
    if not compacted:
        return len(below)
    last = {record.key: record.offset for record in records}
    return sum(last[record.key] == record.offset and not record.tombstone for record in below)


def _name(partition: PartitionId) -> str:
    return f"{partition[0]}-{partition[1]}"
