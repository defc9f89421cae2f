"""A cutover file as a channel: one atomic replacement for each document, and a copy next to it."""

from __future__ import annotations

import stat
from pathlib import Path

from cutover_harness.channels.base import ChannelError, OvertakenError
from cutover_harness.channels.names import FileName
from cutover_harness.errors import UsageError
from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.inputs import LIMIT
from cutover_harness.locks import FileLock

LOCK_WAIT_S = 10.0
"""How long to wait for another writer, which needs milliseconds."""


class FileWriter:
    """Writes the cutover file at `path`, under a lock that all writers on this machine use.

    A new file has mode 0600; one that is replaced keeps its mode, and its owner as far as that is allowed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(FileName(path))

    def read(self) -> str | None:
        """Return the file's content, None if it is missing. Raises ChannelError if it cannot be read."""
        return _content(self.path, self.name)

    def copy(self) -> str | None:
        """Return the content of the last document that was written here, from the copy next to the file.

        None if there is no copy that can be read.
        """
        return _content_or_none(self._copy)

    def write(self, text: str, *, replaces: str | None) -> None:
        """Replace `replaces` (temporary file, fsync, rename), then the copy.

        A file that cannot be read counts as empty. Raises OvertakenError, HeldError, and UsageError if nothing was
        written.
        """
        with FileLock(self.path.with_name(f".{self.path.name}.lock"), wait_s=LOCK_WAIT_S):
            there = _content_or_none(self.path)
            if there != text:
                if there != replaces:
                    raise OvertakenError(f"{self.name}: its content has changed since it was read")
                self._replace(self.path, text, like=self.path)
            if self.copy() != text:  # second: the copy is never ahead of the file that apps read
                self._replace(self._copy, text)

    def close(self) -> None:
        """Close nothing."""

    @property
    def _copy(self) -> Path:
        return self.path.with_name(f".{self.path.name}.last")

    def _replace(self, path: Path, text: str, *, like: Path | None = None) -> None:
        mode, owner = PRIVATE, None
        try:
            if like is not None and like.is_file():  # applications that may read it have to be able to do so again
                there = like.stat()
                mode, owner = stat.S_IMODE(there.st_mode), (there.st_uid, there.st_gid)
            write_atomic(path, text, mode=mode, owner=owner, durable=True, errors="surrogateescape")
        except OSError as why:
            raise UsageError(f"{self.name}: cannot be written: {why.strerror}") from None


def _content(path: Path, name: str) -> str | None:
    try:
        if not path.exists():
            return None
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for forever
            raise ChannelError(f"{name}: is no regular file")
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except OSError as why:
        raise ChannelError(f"{name}: cannot be read: {why.strerror}") from None
    except ValueError:  # the name has a null character
        raise ChannelError(f"{name!r}: is no name of a file") from None
    if len(content) > LIMIT:
        raise ChannelError(f"{name}: is larger than {LIMIT >> 20} MiB")
    return content.decode(errors="surrogateescape")


def _content_or_none(path: Path) -> str | None:
    try:
        return _content(path, str(path))
    except ChannelError:
        return None
