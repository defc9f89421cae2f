"""A watched file: when its content has to be judged.

Files are polled and compared by content: neither inotify nor modification times can be relied on for network file
systems and for Kubernetes' mounted ConfigMaps, whose entries are symbolic links that are swapped.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from cutover_shim.channel import FILE
from cutover_shim.cutover_file import MAX_BYTES


class UnusableError(Exception):
    """The file has no content that can be judged; the text is the reason."""


class FileChannel:
    """One file. `look` returns each content, and raises each failure, once."""

    def __init__(self, path: str) -> None:
        self.path, self.name = path, f"{FILE}{path}"
        self._judged: bytes | None = None
        self._seen: bytes | None = None
        self._inode: tuple[int, int] | None = None

    def look(self, *, settled: bool = False) -> bytes | None:
        """Return the content if it is new and complete, otherwise None. Raises UnusableError for a new failure.

        A file that is written in place can be read half-written: empty, or truncated so that it still parses; one that
        is deleted and recreated can be missing. So every content and every failure must be seen twice, unless `settled`
        says that there is no time. A file that has replaced the old one (rename, symlink swap) is complete.
        """
        content: bytes | UnusableError
        inode: tuple[int, int] | None = None
        try:
            content, inode = _read(self.path)
            digest = hashlib.sha256(content).digest()
        except UnusableError as error:
            content, digest = error, str(error).encode()
            self._inode = None  # the next version may be written in place
        if digest == self._judged:
            return None
        replaced = self._inode is not None and inode != self._inode
        if not (settled or replaced or digest == self._seen):
            self._seen = digest
            return None
        self._inode, self._seen, self._judged = inode, digest, digest
        if isinstance(content, UnusableError):
            raise content
        return content


def _read(path: str) -> tuple[bytes, tuple[int, int]]:
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # before opening: a FIFO would block
            raise UnusableError("not a regular file")
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(descriptor, "rb") as handle:
            facts = os.fstat(handle.fileno())
            content = handle.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise UnusableError(f"cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}") from None
    return content, (facts.st_dev, facts.st_ino)
