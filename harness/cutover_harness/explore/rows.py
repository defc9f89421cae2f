"""What the mirror of the abstract world reports, row by row; see `procedure/protocols.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cutover_harness.types import PartitionId


@dataclass(frozen=True)
class Progress:
    """See `GroupProgressLike`."""

    topic: str
    partition: int
    source_committed: int | None
    target_committed: int | None
    synchronised: bool


@dataclass(frozen=True)
class Resumes:
    """See `ResumeLike`."""

    topic: str
    partition: int
    source_committed: int
    target_offset: int | None
    proved: bool


@dataclass(frozen=True)
class Skip:
    """See `SkippedLike`."""

    words: str
    sure: bool = True

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Lag:
    """See `LagLike`."""

    records: Mapping[PartitionId, int]
    total: int
    amid: int = 0
    not_compared: int = 0
