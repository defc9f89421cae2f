"""Read small files that a user names: return their text, or raise an error of one line."""

from __future__ import annotations

import stat
from pathlib import Path

from cutover_harness.errors import UsageError

LIMIT = 16 << 20
# A shell's <(command) and a pipe to standard input have a writer; any other pipe may have none.
_PIPES = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")


def read_input(path: Path, what: str, limit: int = LIMIT) -> bytes:
    """Return the content of a file. Raises UsageError that begins with `what` and the file's name."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"{what} {path}: is a folder: give a file")
        if not stat.S_ISREG(mode) and not str(path).startswith(_PIPES):
            raise UsageError(f"{what} {path}: is no regular file: give a file")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as why:
        raise UsageError(f"{what} {path}: cannot be read: {why.strerror}") from None
    except ValueError:  # the name has a null character
        raise UsageError(f"{what} {str(path)!r}: is no name of a file") from None
    if len(content) > limit:
        raise UsageError(f"{what} {path}: is larger than {limit >> 20} MiB: give the right file")
    return content


def read_text_input(path: Path, what: str, limit: int = LIMIT) -> str:
    """Return the text of a file (UTF-8; a byte order mark is dropped). Raises UsageError."""
    try:
        return read_input(path, what, limit).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{what} {path}: cannot be read: not UTF-8 text") from None
