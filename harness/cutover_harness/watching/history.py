"""Mirror lags that gates have noted in a journal, and a journal without the waits that later ones replace. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cutover_harness.conductor.journal import Entry
from cutover_harness.procedure.names import LAG_UNDER_BAR

_LAG = re.compile(r"lag (\d+)\b")


def lag_history(entries: Iterable[Entry]) -> list[tuple[float, int]]:
    """Return times and mirror lags, oldest first."""
    found = []
    for entry in entries:
        if entry.kind in ("waits", "gate") and entry.name == LAG_UNDER_BAR:
            words = str(entry.detail.get("waits_for") or entry.detail.get("evidence") or "")
            if lag := _LAG.match(words):
                found.append((entry.time_ns / 1e9, int(lag[1])))
    return found


def compacted(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries without waits that the next entry replaces: hours of waiting are two entries a second."""
    return [
        entry
        for entry, after in zip(entries, [*entries[1:], None], strict=True)
        if after is None or entry.kind != "waits" or _place(after) != _place(entry)
    ]


def _place(entry: Entry) -> tuple[str, int, str]:
    return entry.kind, entry.step, entry.name
