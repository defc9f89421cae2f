"""The moments after which going back to the source is worse, or impossible. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cutover_harness.conductor.journal import Entry
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import RouteState
from cutover_harness.procedure.steps import step_of
from cutover_harness.watching.facts import Figures
from cutover_harness.watching.views import Limit

_HOUR_S = 3600.0


def limits(
    entries: Sequence[Entry], figures: Figures, state: RouteState, rollback_window_h: float | None
) -> list[Limit]:
    """Return these moments as far as they are known, the first one first."""
    found = []
    if (left := _left_source(entries, "consumers")) is not None and state.consumers != "source":
        if figures.offsets_retention_s is not None:
            at = left + figures.offsets_retention_s
            found.append(Limit("the source removes the offsets of groups without members", at))
        if figures.retention_s is not None:
            at = left + figures.retention_s
            found.append(Limit(f"the source removes records of {figures.retention_topic} that groups would read", at))
    moved = [e.time_ns / 1e9 for e in entries if e.kind == "done" and e.name == StepName.PRODUCERS_TO_TARGET]
    if moved and state.producers == "target" and rollback_window_h is not None:
        found.append(Limit("the rollback window of the plan ends", moved[-1] + rollback_window_h * _HOUR_S))
    return sorted(found, key=lambda limit: limit.at)


def _left_source(entries: Sequence[Entry], who: str) -> float | None:
    """Return when clients left the source for the last time."""
    left: float | None = None
    for entry in entries:
        step = step_of(entry.name) if entry.kind == "doing" else None
        if step is not None and step.moves == who:
            away = step.destination != "source"
            left = (left or entry.time_ns / 1e9) if away else None
    return left
