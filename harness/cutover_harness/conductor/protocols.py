"""What the conductor needs of the world around it."""

# ruff: noqa: D102 - what the names say, the implementations explain
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

TopicPartitionKey = tuple[str, int]


class GroupProgressLike(Protocol):
    """How far the mirror has brought a group's offset in one partition."""

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


class SkippedLike(Protocol):
    """What a group would skip on the target, readable as text."""

    @property
    def sure(self) -> bool: ...


class LagLike(Protocol):
    """Mirror lag in records."""

    @property
    def records(self) -> Mapping[TopicPartitionKey, int]: ...
    @property
    def total(self) -> int: ...
    @property
    def not_compared(self) -> int: ...
    @property
    def amid(self) -> int: ...


class Drains(Protocol):
    """Something that knows when nothing is left to mirror."""

    def drained(self) -> tuple[bool, str]: ...


class MirrorLike(Drains, Protocol):
    """The mirror task of one batch."""

    def topics(self) -> Sequence[str]:
        """Return the source topics that the batch mirrors now."""
        ...

    def exists(self) -> bool:
        """Return whether any of the connectors exists."""
        ...

    def create(self) -> None: ...
    @property
    def notes(self) -> Sequence[str]:
        """Return what somebody should know of the mirror that was created, a line each."""
        ...

    def delete(self) -> None: ...
    def running(self) -> Sequence[str]:
        """Return what is not running yet, in words; empty when all is."""
        ...

    def reason(self) -> str | None:
        """Return the worker's own last reason why the mirror may not progress; None if it is not known here."""
        ...

    def translating(self) -> Sequence[str]:
        """Return what of copying records and translating groups' offsets is not running; empty when all is."""
        ...

    def broken(self) -> str | None:
        """Return what no waiting heals (a failed task, missing records, no progress), with the reason."""
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
    def mirrored_partitions(self) -> Collection[TopicPartitionKey]:
        """Return the partitions of which this batch has mirrored records, in this task or in an earlier one."""
        ...

    def skipped(self, groups: Sequence[str], *, offsets: bool = True) -> Sequence[SkippedLike]:
        """Return what each group would skip if it resumed on the target now; empty proves that it skips nothing."""
        ...

    def stop_translating(self) -> None:
        """Have nobody but us set the groups' offsets on the target from now on."""
        ...

    def set_exact_offsets(self, group: str) -> tuple[bool, str]:
        """Set the group's offsets on the target to the very record it resumes from; False while that is not proved."""
        ...

    def set_absent_offsets(self, group: str, partitions: Collection[TopicPartitionKey]) -> str | None:
        """Set the offsets that the target lacks to the very record, for a stopped group; return what is not proved."""
        ...

    def cut(self) -> Mapping[TopicPartitionKey, int]:
        """Stop copying and return where the target's logs end: what is produced there from then on is native."""
        ...

    def reverse(self, cut: Mapping[TopicPartitionKey, int]) -> None:
        """Turn the mirror around: it copies to the source what the target has from `cut` on, and only that."""
        ...

    def reverse_drained(self) -> tuple[bool, str]:
        """Tell whether all that was produced on the target is on the source."""
        ...


class ClusterLike(Protocol):
    """One cluster, as far as gates look at it."""

    def partitions(self, topics: Sequence[str]) -> Mapping[str, int]:
        """Return the partition count of each of `topics` that exists."""
        ...

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        """Return the id of each of `topics` that exists, as far as the cluster knows ids."""
        ...

    def start_offsets(self, topics: Sequence[str]) -> Mapping[TopicPartitionKey, int]: ...
    def end_offsets(self, topics: Sequence[str]) -> Mapping[TopicPartitionKey, int]: ...
    def committed(self, group: str, topics: Sequence[str]) -> Mapping[TopicPartitionKey, int]: ...
    def active(self, group: str) -> int:
        """Return how many members the group has, in any state."""
        ...

    def members(self, group: str) -> int:
        """Return how many members the group has, 0 while it rebalances."""
        ...


class Observer(Protocol):
    """Who watches a conductor: the terminal, a log, a test."""

    def act(self, number: int, total: int, act: str, stage: int) -> None: ...
    def waiting(self, gate: str, waits_for: str, elapsed_s: float, deadline_s: float) -> None: ...
    def opened(self, gate: str, evidence: str, elapsed_s: float) -> None: ...
    def note(self, text: str) -> None: ...
