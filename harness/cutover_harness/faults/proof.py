"""What a fault that is no signal to a process does: it happens, and then proves that it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cutover_harness.judge.facts import Destroyed
from cutover_harness.plan.fault import Fault


@dataclass(frozen=True)
class Proof:
    """Whether a fault hit, how that is known, and what it destroyed on purpose."""

    held: bool
    evidence: str
    destroyed: tuple[Destroyed, ...] = ()


Happening = Callable[[Fault], Callable[[], Proof]]
"""Injects a fault while the path waits. What is returned waits for the proof, while the path goes on."""
