"""What the conductor needs of the world around it."""

# ruff: noqa: D102 - what the names say, the implementations explain
from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class LagLike(Protocol):
    """Mirror lag in records."""

    @property
    def records(self) -> Mapping[TopicPartitionKey, int]: ...
    @property
    def total(self) -> int: ...


class MirrorLike(Protocol):
    """The mirror task of one batch."""

    def create(self) -> None: ...
    def delete(self) -> None: ...
    def running(self) -> Sequence[str]:
        """Return what is not running yet, in words; empty when all is."""
        ...

    def lag(self) -> LagLike: ...
    def drained(self) -> tuple[bool, str]: ...
    def group_progress(self, group: str) -> Sequence[GroupProgressLike]: ...


class ClusterLike(Protocol):
    """One cluster, as far as gates look at it."""

    def partitions(self, topics: Sequence[str]) -> Mapping[str, int]:
        """Return the partition count of each of `topics` that exists."""
        ...

    def end_offsets(self, topics: Sequence[str]) -> Mapping[TopicPartitionKey, int]: ...
    def committed(self, group: str, topics: Sequence[str]) -> Mapping[TopicPartitionKey, int]: ...


class Observer(Protocol):
    """Who watches: the terminal, a log, a test."""

    def act(self, number: int, total: int, act: str, stage: int) -> None: ...
    def waiting(self, gate: str, waits_for: str, elapsed_s: float, deadline_s: float) -> None: ...
    def opened(self, gate: str, evidence: str, elapsed_s: float) -> None: ...
    def note(self, text: str) -> None: ...
