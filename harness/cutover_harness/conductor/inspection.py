"""Inspection of a journal before anything is done with it: a damaged or foreign file is refused in one line.

A copy of the file is examined, so that the inspection changes nothing: SQLite itself would create files next to it, and
merge the write-ahead log that a killed conductor left.
"""

from __future__ import annotations

import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from cutover_harness.conductor.journal import APPLICATION_ID, COLUMNS, FORMAT, Entry, Journal, JournalError, Kind
from cutover_harness.conductor.resume import reached, remaining
from cutover_harness.conductor.timeline import timeline
from cutover_harness.plan.scenario import PathStep
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import ImpossibleStepError

_MAGIC = b"SQLite format 3\0"
_HEADER = 100
_KINDS = frozenset(get_args(Kind))
_RESTORE = "restore it from a copy, or bring the clients back by hand with the cutover file"
_ELSEWHERE = "give the folder of a run"
_NUMBER = (int, float)
# Details that are read from entries of each kind and would not fail by themselves if their type were wrong.
_DETAIL: dict[str, dict[str, type | tuple[type, ...]]] = {
    "waits": {"waits_for": str, "elapsed_s": _NUMBER, "deadline_s": _NUMBER},
    "gate": {"evidence": str, "from_ns": int},
    "lag": {"records": int},
    "ask": {"act": str, "when": str},
    "missed": {"why": str},
    "back": {"acts": list},
    "switched": {"clients": list},
    "bypass": {
        "bypass": str,
        "role": str,
        "cluster": str,
        "what": str,
        "standing": str,
        "words": str,
        "since_ns": int,
        "count": int,
    },
    "fence": {"denials": list},
    "left": {"role": str, "ends": list, "members": dict, "commits": list},
}


def inspect(path: Path, steps: Sequence[PathStep], groups: Sequence[str]) -> list[Entry]:
    """Return the entries of the journal of a run with these steps. Raises JournalError; changes nothing."""
    _look_at_header(path)
    with tempfile.TemporaryDirectory(prefix="kafka-cutover-journal-") as folder:
        copy = Path(folder) / path.name
        try:
            for suffix in ("", "-wal"):
                part = path.with_name(path.name + suffix)
                if part.exists():
                    shutil.copyfile(part, copy.with_name(copy.name + suffix))
        except OSError as why:
            raise JournalError(f"{path}: cannot be read: {why.strerror or why}") from None
        entries = _read(copy, path)
    if not entries:
        raise JournalError(f"{path}: has no entry, so there is nothing to resume or to roll back: start the path")
    _check(entries, steps, groups, path)
    return entries


def _look_at_header(path: Path) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise JournalError(f"{path}: is not a file: {_ELSEWHERE}")
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except FileNotFoundError:
        raise JournalError(f"{path}: no journal, so there is nothing to resume or to roll back: {_ELSEWHERE}") from None
    except OSError as why:
        raise JournalError(f"{path}: cannot be read: {why.strerror}") from None
    if not header:
        raise JournalError(f"{path}: is empty, so it is not known where the path stands: {_RESTORE}")
    if not header.startswith(_MAGIC) or len(header) < _HEADER:
        raise JournalError(f"{path}: is no SQLite file: {_RESTORE}")
    version, application = (int.from_bytes(header[at : at + 4]) for at in (60, 68))
    if application not in (0, APPLICATION_ID) or (version and not application):
        raise JournalError(f"{path}: is an SQLite file of another application: {_ELSEWHERE}")
    if version > FORMAT:
        raise JournalError(f"{path}: is of format {version}, and this version reads up to {FORMAT}: use a newer one")


def _read(copy: Path, path: Path) -> list[Entry]:
    try:
        database = sqlite3.connect(copy)
        try:
            found = [str(row[0]) for row in database.execute("PRAGMA quick_check(1)")]
            columns = [row[1] for row in database.execute("PRAGMA table_info(entry)")]
        finally:
            database.close()
    except (sqlite3.Error, UnicodeDecodeError) as why:
        raise JournalError(f"{path}: is damaged ({' '.join(str(why).split())}): {_RESTORE}") from None
    if found != ["ok"]:
        raise JournalError(f"{path}: is damaged ({' '.join(found[0].split())}): {_RESTORE}")
    if columns not in (list(COLUMNS), list(COLUMNS[:-1])):
        raise JournalError(f"{path}: is an SQLite file of another application: {_ELSEWHERE}")
    try:
        journal = Journal(copy)
        try:
            return journal.read()
        finally:
            journal.close()
    except JournalError as why:
        raise JournalError(str(why).replace(str(copy), str(path))) from None


def _check(entries: Sequence[Entry], steps: Sequence[PathStep], groups: Sequence[str], path: Path) -> None:
    for number, entry in enumerate(entries, start=1):
        if why := _wrong(entry, number):
            raise JournalError(f"{path}: entry {number}: {why}: {_RESTORE}")
    try:
        remaining(entries, steps)
        timeline(entries, groups)
        reached(entries)
    except ImpossibleStepError as why:
        raise JournalError(f"{path}: does not describe a path: {why}: {_RESTORE}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as why:
        raise JournalError(f"{path}: is damaged ({type(why).__name__}: {why}): {_RESTORE}") from None
    for entry in entries:
        of_path = entry.kind in ("step", "doing", "done") and 0 <= entry.step < len(steps)
        if of_path and entry.name != (name := steps[entry.step].step):
            raise JournalError(
                f"{path}: is the journal of another path: step {entry.step + 1} is {entry.name}, here {name}: "
                f"{_RESTORE}"
            )


def _wrong(entry: Entry, number: int) -> str | None:
    """Return, in words, what is wrong with an entry by itself."""
    typed: dict[str, tuple[Any, type]] = {
        "id": (entry.id, int),
        "time_ns": (entry.time_ns, int),
        "kind": (entry.kind, str),
        "step": (entry.step, int),
        "name": (entry.name, str),
        "detail": (entry.detail, dict),
    }
    for column, (value, wanted) in typed.items():
        if not isinstance(value, wanted):
            return f"{column} is {type(value).__name__}, not {wanted.__name__}"
    if entry.kind not in _KINDS:
        return f"kind {entry.kind!r} is not known; a newer version may have written it"
    if entry.id != number:
        return f"entries before it are missing: its number is {entry.id}"
    if entry.step < -1 or entry.time_ns <= 0:
        return "step or time is out of range"
    for key, wanted_detail in _DETAIL.get(entry.kind, {}).items():
        if not isinstance(entry.detail.get(key), wanted_detail):
            return f"{entry.kind} has no {key} of the right type"
    if entry.kind in ("step", "doing") and entry.name not in list(StepName):
        return f"no step is called {entry.name!r}"
    return None
