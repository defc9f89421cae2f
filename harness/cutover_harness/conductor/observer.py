"""Who watches a conductor."""

# ruff: noqa: D102 - what the names say, the implementations explain
from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Who watches a conductor: the terminal, a log, a test."""

    def step(self, number: int, total: int, step: str, stage: int) -> None: ...
    def waiting(self, gate: str, waits_for: str, elapsed_s: float, deadline_s: float) -> None: ...
    def opened(self, gate: str, evidence: str, elapsed_s: float) -> None: ...
    def note(self, text: str) -> None: ...
