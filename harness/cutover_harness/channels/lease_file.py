"""A lease in a file: for those who can write in its folder, on one machine or a file system with locks."""

from __future__ import annotations

from pathlib import Path

from cutover_harness.channels.leases import Lease
from cutover_harness.errors import UsageError
from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.inputs import read_text_input
from cutover_harness.locks import FileLock

_LOCK_WAIT_S = 10.0


def lease_file_of(cutover_file: Path) -> Path:
    """Return the file next to a cutover file in which its lease is."""
    return cutover_file.with_name(f".{cutover_file.name}.lease")


class LeaseFile:
    """The lease in the file `path`. Its folder is created if it is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self.hidden = False  # a file that is no lease is refused

    def read(self) -> Lease | None:
        """Return the lease in force, None if there is none. Raises UsageError."""
        try:
            if not self.path.exists():
                return None
        except OSError as why:  # such as a folder that this user may not enter
            raise UsageError(f"{self.path}: cannot be read: {why.strerror}") from None
        found = Lease.from_text(read_text_input(self.path, "lease"))
        if found is None:
            raise UsageError(f"{self.path}: is no lease: delete it if nobody else conducts a run here")
        return found

    def offer(self, lease: Lease) -> Lease | None:
        """Write a lease if it counts, and return the one in force."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_name(f".{self.path.name.lstrip('.')}.lock"), wait_s=_LOCK_WAIT_S):
                there = self.read()
                if not lease.follows(there):
                    return there
                write_atomic(self.path, lease.to_text(), mode=PRIVATE, durable=True)
                return lease
        except OSError as why:
            raise UsageError(f"{self.path}: cannot be written: {why.strerror}") from None

    def close(self) -> None:
        """Close nothing."""
