"""Find all ledgers below a folder, and report missing ones."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from cutover_harness.ledger.errors import LedgerError
from cutover_harness.ledger.format import CSV, JOURNAL, JSON_LINES, MAX_TOPICS, META, SEALED
from cutover_harness.ledger.journal import measure_journal

_EVENTS = (SEALED, JOURNAL, CSV, JSON_LINES)
#: The folder of a process that was started again ends with ~2, ~3 ...
_AGAIN = re.compile(r"(.+)~([0-9]{1,9})")


def ledger_folders(folder: Path) -> list[Path]:
    """Return the folders with a ledger at or below `folder`; links to folders are followed.

    Raises LedgerError for a folder that cannot be listed, and for events that no `ledger.json` says the owner of: a
    ledger that is passed over in silence takes its losses with it.
    """
    found = []
    for path, names in _walk(folder):
        if META in names:
            found.append(path)
        elif (events := next((name for name in _EVENTS if name in names), None)) and not _never_begun(path, events):
            raise LedgerError(f"{path}: has {events} but no {META}, which identifies the process")
    return found


def absent_ledgers(labels: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Return the missing labels before `x~3` in the sequence `x`, `x~2`, ..."""
    absent = set()
    for label in labels:
        again = _AGAIN.fullmatch(label)
        if again is not None:
            name, number = again[1], int(again[2])
            before = [name if n == 1 else f"{name}~{n}" for n in range(max(1, number - _LOOK_BACK), number)]
            absent |= {each for each in before if each not in labels and not _has_folder(folder, each)}
    return tuple(sorted(absent))


_LOOK_BACK = 1000


def _has_folder(folder: Path, label: str) -> bool:
    # Labels omit the folder of `rehearse`'s ledgers.
    return (folder / label).is_dir() or (folder / "ledger" / label).is_dir()


def _walk(folder: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yield each folder once, with its entries."""

    def refuse(error: OSError) -> None:
        raise LedgerError(f"{error.filename}: cannot be listed: {error.strerror}")

    seen: set[tuple[int, int]] = set()
    for path, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        status = Path(path).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()  # a link to a folder seen before, perhaps a parent
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        yield Path(path), {*folders, *files}


def _never_begun(folder: Path, events: str) -> bool:
    """Return whether a process was killed after creating its journal and before appending to it."""
    return events == JOURNAL and measure_journal(folder / JOURNAL, MAX_TOPICS, closed_rows=None).events == 0
