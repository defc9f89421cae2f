"""What a snapshot of a batch is made from: journal, statuses, and figures of both clusters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.cutover.progress import BatchProgress


@dataclass(frozen=True)
class Figures:
    """Figures of both clusters. at: when they were read; of those that could not be read since, the last ones stay.

    unread: by group, the records that it would read again on the source. native: records that were written to the
    target since producers were about to move there. offsets_retention_s: how long the source keeps the offsets of a
    group without members. retention_s: how long it keeps records, of the topic that keeps them shortest.
    """

    at: float | None = None
    lag: int | None = None
    unread: Mapping[str, int] | None = None
    native: int | None = None
    offsets_retention_s: float | None = None
    retention_s: float | None = None
    retention_topic: str | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statuses:
    """Statuses of the clients, and why they could not be read. silent: as in `fleet_rows`."""

    contents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    silent: Callable[[str, float], float | None] = lambda *_: None
    problem: str | None = None


@dataclass(frozen=True)
class BatchFacts:
    """All of one batch. lags: times and mirror lags, oldest first, of gates and of those who watched."""

    progress: BatchProgress
    entries: Sequence[Entry] = ()
    config: ConductorConfig | None = None
    generation: int = 0
    statuses: Statuses = Statuses()
    figures: Figures = Figures()
    lags: Sequence[tuple[float, int]] = ()
    rollback_window_h: float | None = None
    command: str = ""
    """The command that answers a request for approval."""
