"""The conductor's journal: what it is about to do, did and saw, durable before and after each act.

An SQLite file. A conductor that was killed reads it and goes on where it was; whoever watches reads it too, so the
progress that a person sees, the time line of the report and what `resume` knows are one and the same.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal[
    "step",
    "waits",
    "gate",
    "precondition",
    "copied",
    "cut",
    "topics",
    "gone",
    "found",
    "doing",
    "done",
    "flows",
    "ask",
    "answer",
    "missed",
    "back",
    "end",
]
"""step: begun; waits: what a gate waits for, once a second; gate: passed; doing: written before an act, so that after a
kill the act is done again (all are idempotent) but its gates are not asked again; done: the act and the gates after it;
precondition: what has to be so at an act for the run to prove something; flows: clients have traffic after the act;
cut: where the target's logs ended when the mirror was turned around;
topics: the ids of the topics that are mirrored; gone: records that went from the source before they were mirrored;
found: what was on the target before the mirror task was created;
ask, answer: something that another process has to do (a fault, a restart of apps); missed: a gate's deadline; back: the
way back that was decided; end: the path is walked."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    step INTEGER NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL
)
"""


@dataclass(frozen=True)
class Entry:
    """One line of the journal; `step` counts from 0 along the path, -1 is before it."""

    id: int
    time_ns: int
    kind: Kind
    step: int
    name: str
    detail: dict[str, Any]


class Journal:
    """An open journal; created where it is missing. For one thread; several processes may have it open."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
        # WAL: readers never wait for the writer. FULL: what was written survives the machine, not only the process.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def write(self, kind: Kind, step: int, name: str, **detail: Any) -> int:
        """Append an entry, durable on return, and return its id."""
        row = (time.time_ns(), kind, step, name, json.dumps(detail))
        cursor = self._db.execute("INSERT INTO entry (time_ns, kind, step, name, detail) VALUES (?, ?, ?, ?, ?)", row)
        assert cursor.lastrowid is not None  # noqa: S101 - an INSERT has one
        return cursor.lastrowid

    def read(self, after: int = 0) -> list[Entry]:
        """Return the entries with an id above `after`, oldest first."""
        rows = self._db.execute("SELECT * FROM entry WHERE id > ? ORDER BY id", (after,)).fetchall()
        return [Entry(i, at, kind, step, name, json.loads(detail)) for i, at, kind, step, name, detail in rows]

    def find(self, kind: Kind, step: int, name: str | None = None) -> Entry | None:
        """Return the first entry of this kind and step (and name), None where there is none."""
        found = [e for e in self.read() if e.kind == kind and e.step == step and name in (None, e.name)]
        return found[0] if found else None
