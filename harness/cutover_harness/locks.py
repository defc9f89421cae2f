"""File locks: held by one process, released by the system when that process ends, SIGKILL included."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cutover_harness.errors import FinalError, UsageError
from cutover_harness.waits import wait_until

_POLL_S = 0.02


class HeldError(FinalError):
    """The lock is held by another process; `holder` names it."""

    def __init__(self, path: Path, holder: str, pid: int | None) -> None:
        super().__init__(f"{path}: is held by {holder}")
        self.holder = holder
        self.pid = pid


class FileLock:
    """An exclusive lock on the file `path`, which is created, names its holder, and is not deleted.

    `wait_s`: how long to wait for another holder before raising HeldError. Raises UsageError if the file cannot be
    opened. A child process does not inherit the lock.
    """

    def __init__(self, path: Path, *, wait_s: float = 0.0) -> None:
        self.path = path
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        except OSError as why:
            raise UsageError(f"{path}: the lock cannot be opened: {why.strerror}") from None
        try:
            wait_until(self._try, wait_s, backoff_s=_POLL_S, failure=lambda _: self._refusal())
            self._sign()
        except BaseException:
            os.close(self._handle)
            raise

    @staticmethod
    def probe(path: Path) -> None:
        """Raise HeldError if a process holds the lock; change nothing."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:  # it was never held
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            found = _holder(handle)
            raise HeldError(path, _words(found), found.get("pid")) from None
        except OSError:  # such as a folder: acquiring the lock reports it
            return
        finally:
            os.close(handle)

    def release(self) -> None:
        """Release the lock."""
        os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.release()

    def _refusal(self) -> HeldError:
        found = _holder(self._handle)
        return HeldError(self.path, _words(found), found.get("pid"))

    def _try(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as why:
            raise UsageError(f"{self.path}: cannot be locked: {why.strerror}; use a file system with locks") from None
        return True

    def _sign(self) -> None:
        facts = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat("T", "seconds")}
        try:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, json.dumps(facts).encode(), 0)
        except OSError as why:  # such as a full disk
            raise UsageError(f"{self.path}: cannot be written: {why.strerror}") from None


def _holder(handle: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(handle, 4096, 0))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _words(found: dict[str, Any]) -> str:
    if "pid" not in found:
        return "another process"
    return f"process {found['pid']} on {found.get('host', 'an unknown host')} since {found.get('since', 'some time')}"
