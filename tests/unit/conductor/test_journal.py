"""Opening a journal beside other processes that have it open."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from cutover_harness.conductor import journal as journal_module
from cutover_harness.conductor.journal import Journal


def test_a_journal_that_another_process_opens_alone_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    ends = threading.Timer(0.3, other.close)
    ends.start()
    journal = Journal(path)
    ends.join()
    assert journal.read() == []
    journal.close()


def test_a_file_that_is_busy_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare, asked = journal_module._prepare, []

    def busy_once(database: sqlite3.Connection) -> None:
        asked.append(database)
        if len(asked) == 1:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        prepare(database)

    monkeypatch.setattr(journal_module, "_prepare", busy_once)
    journal = Journal(tmp_path / "journal.sqlite")
    assert journal.read() == []
    journal.close()
    assert len(asked) == 2
