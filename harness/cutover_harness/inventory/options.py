"""What an inventory collects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What to collect, and how gently. `rate`: requests to brokers per second.

    `history`, `newest`: see ClusterReader.
    """

    connect: tuple[str, ...] = ()
    statuses: Path | str | None = None
    history: bool = False
    newest: int = 0
    stale_days: float = 30.0
    sample_s: float = 30.0
    rate: float = 200.0
