"""Open untrusted files: a pipe, a folder, a dangling link, deeply nested JSON."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cutover_harness.ledger.errors import LedgerError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def is_there(path: Path) -> bool:
    """Return whether the folder has an entry of that name, even one that cannot be opened."""
    return os.path.lexists(path)


def require_file(path: Path) -> None:
    """Raise LedgerError unless `path` is a regular file. Opening a pipe would wait for a writer forever."""
    with reading(path):
        mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "not a file")
        raise LedgerError(f"{path}: is {kind}; expected a file")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the system's error for a file that cannot be read into a LedgerError."""
    try:
        yield
    except OSError as error:
        reason = "a link to a file that does not exist" if _dangles(path) else error.strerror or str(error)
        raise LedgerError(f"{path}: cannot be read: {reason}") from None
    except MemoryError:
        raise LedgerError(f"{path}: cannot be read: it needs more memory than there is") from None


def read_text(path: Path) -> str:
    """Return a file's text. Raises LedgerError if it is not a file, cannot be read or is not UTF-8."""
    require_file(path)
    with reading(path):
        try:
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise LedgerError(f"{path}: not UTF-8 ({error}); copy it again") from None


def parse_json(text: str, place: str) -> object:
    """Return the JSON value in `text`. Raises LedgerError that begins with `place`."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise LedgerError(f"{place} is not JSON ({error}): truncated?") from None
    except RecursionError:
        raise LedgerError(f"{place} is not what belongs here: its JSON is nested too deep") from None


def _dangles(path: Path) -> bool:
    return path.is_symlink() and not path.exists()
