"""What steps and gates need of mirror, clusters, cutover file and journal."""

# ruff: noqa: D102 - what the names say, the implementations explain
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from cutover_harness.procedure.denials import Denial
from cutover_harness.procedure.entries import Entry, Kind
from cutover_harness.types import Location, PartitionId


class GroupProgressLike(Protocol):
    """How far the mirror has translated a group's offset in one partition."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def source_committed(self) -> int | None: ...
    @property
    def target_committed(self) -> int | None: ...
    @property
    def synchronised(self) -> bool: ...


class ResumeLike(Protocol):
    """Where a group resumes in one partition of the target. proved: it is the very record."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def source_committed(self) -> int: ...
    @property
    def target_offset(self) -> int | None: ...
    @property
    def proved(self) -> bool: ...


class SkippedLike(Protocol):
    """What a group would skip on the target, readable as text."""

    @property
    def sure(self) -> bool: ...


class LagLike(Protocol):
    """Mirror lag in records."""

    @property
    def records(self) -> Mapping[PartitionId, int]: ...
    @property
    def total(self) -> int: ...
    @property
    def not_compared(self) -> int: ...
    @property
    def amid(self) -> int: ...


class Drains(Protocol):
    """A mirror, as far as its end is waited for."""

    def drained(self) -> tuple[bool, str]: ...


class MirrorLike(Drains, Protocol):
    """The mirror of one batch."""

    def topics(self) -> Sequence[str]:
        """Return the source topics that the batch mirrors now."""
        ...

    def exists(self) -> bool:
        """Return whether any of the connectors exists."""
        ...

    def create(self) -> None: ...
    @property
    def notes(self) -> Sequence[str]:
        """Return remarks on the mirror that was created, a line each."""
        ...

    def delete(self) -> None: ...
    def running(self) -> Sequence[str]:
        """Return, in words, what is not running yet; empty if all is running."""
        ...

    def reason(self) -> str | None:
        """Return the worker's own last reason why the mirror may not progress; None if it is not known here."""
        ...

    def translating(self) -> Sequence[str]:
        """Return which of copying records and translating groups' offsets is not running; empty if both are."""
        ...

    def broken(self) -> str | None:
        """Return what waiting does not heal (a failed task, missing records, no progress), with the reason."""
        ...

    def reverse_broken(self) -> str | None:
        """Return the same of the reverse mirror."""
        ...

    def stalled(self) -> str | None:
        """Return that a running mirror copies nothing although records wait, and why if that is known."""
        ...

    def lag(self) -> LagLike: ...
    def gaps(self, *, look: bool = True) -> Sequence[object]:
        """Return what retention removed from the source before it was mirrored, each readable as text."""
        ...

    def group_progress(self, group: str) -> Sequence[GroupProgressLike]: ...
    def mirrored_partitions(self) -> Collection[PartitionId]:
        """Return the partitions of which this batch has mirrored records, in this task or in an earlier one."""
        ...

    def skipped(self, groups: Sequence[str], *, offsets: bool = True) -> Sequence[SkippedLike]:
        """Return what each group would skip if it resumed on the target now; empty proves that it skips nothing."""
        ...

    def stop_translating(self) -> None:
        """Stop MirrorMaker 2 from syncing group offsets."""
        ...

    def set_exact_offsets(self, group: str) -> tuple[bool, str]:
        """Set the group's offsets on the target to the very record it resumes from; False while that is not proved."""
        ...

    def resumes(self, group: str) -> Sequence[ResumeLike]:
        """Return the offsets that `set_exact_offsets` has set last, or left as they were."""
        ...

    def set_absent_offsets(self, group: str, partitions: Collection[PartitionId]) -> str | None:
        """Set the offsets that the target lacks to the very record, for a stopped group; return what is not proved."""
        ...

    def cut(self) -> Mapping[PartitionId, int]:
        """Stop copying and return where the target's logs end: what is produced there from then on is native."""
        ...

    def reverse(self, cut: Mapping[PartitionId, int]) -> None:
        """Turn the mirror around: it copies to the source what the target has from `cut` on, and only that."""
        ...

    def reverse_drained(self) -> tuple[bool, str]:
        """Return whether all that was produced on the target is on the source, and the evidence."""
        ...


class ClusterLike(Protocol):
    """A cluster, as far as gates look at it."""

    def partitions(self, topics: Sequence[str] | None = None) -> Mapping[str, int]:
        """Return the partition count of each of `topics` that exists, of all topics if None."""
        ...

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        """Return the id of each of `topics` that exists, as far as the cluster has ids."""
        ...

    def cluster_id(self) -> str | None:
        """Return the id of the cluster; None if it has none."""
        ...

    def start_offsets(self, topics: Sequence[str]) -> Mapping[PartitionId, int]: ...
    def end_offsets(self, topics: Sequence[str]) -> Mapping[PartitionId, int]: ...
    def committed(self, group: str, topics: Sequence[str]) -> Mapping[PartitionId, int]: ...
    def active(self, group: str) -> int:
        """Return how many members the group has, in any state."""
        ...

    def member_names(self, group: str) -> Sequence[str]:
        """Return client id and host of each member that the group has, in any state."""
        ...

    def members(self, group: str) -> int:
        """Return how many members the group has, 0 while it rebalances."""
        ...


class LocationsLike(Protocol):
    """Where the cutover file points the clients of one route."""

    @property
    def producers(self) -> Location: ...
    @property
    def consumers(self) -> Location: ...


class CutoverFileLike(Protocol):
    """The writer of the cutover file."""

    @property
    def generation(self) -> int: ...
    @property
    def routes(self) -> Mapping[str, LocationsLike]: ...
    def point(self, route: str, *, producers: Location | None = None, consumers: Location | None = None) -> int:
        """Move the clients of `route`, write the next generation and return it; write nothing if they are there."""
        ...


class JournalLike(Protocol):
    """The conductor's journal."""

    def read(self) -> Sequence[Entry]: ...
    def find(self, kind: Kind, step: int, name: str | None = None) -> Entry | None: ...
    def write(self, kind: Kind, step: int, name: str, **detail: Any) -> int: ...


class FenceLike(Protocol):
    """The fence of a batch on the source."""

    def refusal(self) -> str | None:
        """Return why no fence can be made, None if it can."""
        ...

    def make(self, step: int) -> None:
        """Make the denials that the source lacks; `step` notes them first."""
        ...

    def lacking(self) -> tuple[Sequence[Denial], Sequence[Denial]]:
        """Return the denials that the source lacks, and all that it has to have."""
        ...

    def remove(self) -> None:
        """Remove the denials that the run has made."""
        ...

    def left(self) -> Sequence[Denial]:
        """Return the denials of the run that the source still has."""
        ...

    def note_removal(self, step: int) -> None: ...


class GateBars(Protocol):
    """Bars and deadlines of the gates; seconds, `lag_bar` in records."""

    @property
    def lag_bar(self) -> int: ...
    @property
    def deadline_s(self) -> float: ...
    @property
    def progress_wait_s(self) -> float: ...
    @property
    def settle_s(self) -> float: ...
    @property
    def quiet_s(self) -> float: ...
