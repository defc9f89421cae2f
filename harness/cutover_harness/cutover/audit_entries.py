"""Lines of the audit log from entries of a journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.resume import before, reached
from cutover_harness.cutover.audit import Audit
from cutover_harness.procedure.state import RouteState

_OF_ENTRIES = frozenset(
    (
        "step begun",
        "step done",
        "approval",
        "gate passed",
        "gate missed",
        "document written",
        "way back decided",
        "fence made",
        "fence removed",
    )
)
"""Events that `line_of` makes."""


@dataclass(frozen=True)
class Line:
    """What a line says besides who and when."""

    event: str
    detail: dict[str, Any]


def line_of(entry: Entry, entries: Sequence[Entry]) -> Line | None:
    """Return the line for an entry; None for one that is not logged. entries: the journal up to it."""
    detail = {"step": entry.name, "number": entry.step}
    match entry.kind:
        case "doing":
            return Line("step begun", detail | {"before": _words(before(entries, entry.step))})
        case "done" if entry.step >= 0:
            return Line(
                "step done",
                detail | {"before": _words(before(entries, entry.step)), "after": _words(reached(entries))},
            )
        case "answer" if "approved" in entry.detail:
            return Line("approval", {"request": entry.name, **entry.detail})
        case "gate":
            return Line("gate passed", {"gate": entry.name, "evidence": entry.detail.get("evidence")})
        case "missed":
            return Line("gate missed", {"gate": entry.name, "why": entry.detail.get("why")})
        case "published":
            return Line("document written", dict(entry.detail))
        case "bypass":
            return Line("bypass", dict(entry.detail))
        case "fence":
            return Line(f"fence {entry.name}", dict(entry.detail))
        case "back":
            return Line("way back decided", {"steps": entry.detail.get("acts")})
        case _:
            return None


def follower(audit: Audit, batch: str, known: Sequence[Entry]) -> Callable[[Entry], None]:
    """Return a function that writes the audit line of each new entry.

    known: the entries from before. Lines that they lack, because the command that followed them was killed, are written
    immediately, with the time of the entry as `happened`.
    """
    seen: list[Entry] = []

    def saw(entry: Entry, **more: str) -> None:
        seen.append(entry)
        if (line := line_of(entry, seen)) is not None:
            audit.write(line.event, batch=batch, entry=entry.id, **line.detail, **more)

    written = _written(audit, batch)
    for entry in known:
        if written is None or entry.id <= written:
            seen.append(entry)
        else:
            saw(entry, happened=datetime.fromtimestamp(entry.time_ns / 1e9, UTC).isoformat(timespec="milliseconds"))
    return saw


def _written(audit: Audit, batch: str) -> int | None:
    """Return the last entry of the batch's journal that has its line; None if an earlier version wrote them."""
    written: int | None = 0
    for line in audit.lines():
        if line.get("batch") != batch:
            continue
        if line.get("event") == "begin":  # of a journal of its own
            written = 0
        elif line.get("event") in _OF_ENTRIES:
            entry = line.get("entry")
            written = entry if isinstance(entry, int) else None
    return written


def _words(state: RouteState) -> dict[str, object]:
    return {"stage": state.stage, "producers": state.producers, "consumers": state.consumers, "mirror": state.task}
