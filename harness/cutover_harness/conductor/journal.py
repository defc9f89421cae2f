"""The conductor's journal: steps begun and done, gates and their evidence; durable before and after each step.

An SQLite file. A conductor that was killed reads it and resumes from there. Progress on the terminal, the time line of
the report and `resume` read the same entries.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cutover_harness.errors import FinalError
from cutover_harness.procedure.entries import Entry, Kind

__all__ = ["Entry", "Journal", "JournalError", "Kind"]

APPLICATION_ID = 0x6B637574
"""SQLite's `application_id` of a journal; 0 in those of version 0."""
FORMAT = 1
"""SQLite's `user_version` of a journal. 0, which is read and continued, has no checksums."""

_WAIT_S, _AGAIN_S = 30.0, 0.05
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    step INTEGER NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL,
    checksum INTEGER NOT NULL
)
"""
COLUMNS = ("id", "time_ns", "kind", "step", "name", "detail", "checksum")


class JournalError(FinalError):
    """A journal that cannot be read or written; the message names the file and what to do."""


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file, and create it if it is missing.

    SQLite itself does not wait while another process that opens or closes the file as the only one has it alone
    (https://sqlite.org/wal.html, "Sometimes Queries Return SQLITE_BUSY In WAL Mode").
    """
    deadline = time.monotonic() + _WAIT_S
    while True:
        database = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
        try:
            _prepare(database)
        except sqlite3.Error as why:
            database.close()
            if getattr(why, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)
        else:
            return database


def _prepare(database: sqlite3.Connection) -> None:
    new = not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if new:
        # Before WAL, so that they are in the file itself, where `header` finds them without opening it.
        database.execute(f"PRAGMA application_id={APPLICATION_ID}")
        database.execute(f"PRAGMA user_version={FORMAT}")
    # WAL: readers never wait for the writer. FULL: what was written survives the machine, not only the process.
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    if new:
        database.execute(_SCHEMA)


class Journal:
    """An open journal; created if it is missing. For one thread; several processes may have it open.

    Raises JournalError for a file that is no journal, and if the disk is full, say.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors():
            self._db = _opened(path)
            columns = [row[1] for row in self._db.execute("PRAGMA table_info(entry)")]
        self._checked = columns == list(COLUMNS)
        if not self._checked and columns != list(COLUMNS[:-1]):
            raise JournalError(f"{path}: is no journal of a conductor: give the folder of a run")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def write(self, kind: Kind, step: int, name: str, **detail: Any) -> int:
        """Append an entry, durable on return, and return its id."""
        row = (time.time_ns(), kind, step, name, json.dumps(detail))
        columns = COLUMNS[1:] if self._checked else COLUMNS[1:-1]
        values = (*row, checksum(*row)) if self._checked else row
        places = ", ".join("?" * len(values))
        with self._errors():
            cursor = self._db.execute(
                f"INSERT INTO entry ({', '.join(columns)}) VALUES ({places})",  # noqa: S608 - names of our own
                values,
            )
        assert cursor.lastrowid is not None  # noqa: S101 - an INSERT has one
        return cursor.lastrowid

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process write until the context ends: what was read before a write is still so then."""
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            with self._errors():
                self._db.execute("COMMIT")

    def read(self, after: int = 0) -> list[Entry]:
        """Return the entries with an id above `after`, oldest first."""
        with self._errors():
            rows = self._db.execute("SELECT * FROM entry WHERE id > ? ORDER BY id", (after,)).fetchall()
        return [self._entry(row) for row in rows]

    def find(self, kind: Kind, step: int, name: str | None = None) -> Entry | None:
        """Return the first entry of this kind and step (and name), None if there is none."""
        found = [e for e in self.read() if e.kind == kind and e.step == step and name in (None, e.name)]
        return found[0] if found else None

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        if self._checked and not _holds(row):
            raise JournalError(f"{self.path}: entry {row[0]} is damaged: {_REMEDY}")
        number, at, kind, step, name, detail = row[:6]
        try:
            return Entry(number, at, kind, step, name, json.loads(detail))
        except (ValueError, TypeError, RecursionError):
            raise JournalError(f"{self.path}: entry {number} is damaged: {_REMEDY}") from None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as why:
            raise JournalError(f"{self.path}: the journal cannot be used: {' '.join(str(why).split())}") from None


_REMEDY = "restore the journal from a copy, or bring the clients back by hand with the cutover file"


def checksum(time_ns: int, kind: str, step: int, name: str, detail: str) -> int:
    """Return the checksum of an entry."""
    return zlib.crc32(json.dumps([time_ns, kind, step, name, detail]).encode())


def _holds(row: tuple[Any, ...]) -> bool:
    """Whether the checksum is that of the entry."""
    try:
        return bool(checksum(*row[1:6]) == row[6])
    except TypeError:  # bytes, say, which JSON cannot hold
        return False
