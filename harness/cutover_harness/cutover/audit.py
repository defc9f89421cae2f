"""The audit log of a run: who did what and when, one JSON object a line, only ever appended to."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cutover_harness.errors import UsageError


def who() -> str:
    """Return the user of this process and its host, as `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run with a user id that has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


@dataclass(frozen=True)
class Audit:
    """Appends to the audit log. command: the command that writes; plan: the plan's hash."""

    file: Path
    command: str
    plan: str

    def write(self, event: str, **detail: Any) -> None:
        """Append a line, durable on return. Raises UsageError if that fails: nothing is done without a record of it."""
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "who": who(),
            "command": self.command,
            "plan": self.plan,
            "event": event,
            **detail,
        }
        try:
            handle = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                left = (json.dumps(line) + "\n").encode()
                size = os.fstat(handle).st_size
                if size and os.pread(handle, 1, size - 1) != b"\n":  # the part of a line that a full disk has left
                    left = b"\n" + left
                while left:  # on a disk that becomes full only a part is written, and the next call says why
                    left = left[os.write(handle, left) :]
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as why:
            raise UsageError(f"{self.file}: cannot be written: {why.strerror}: nothing is done without it") from None

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the lines, without those of which only a part was written. Raises UsageError."""
        try:
            content = self.file.read_text(errors="replace") if self.file.exists() else ""
        except OSError as why:
            raise UsageError(f"{self.file}: cannot be read: {why.strerror}") from None
        for text in content.splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict):
                yield line
