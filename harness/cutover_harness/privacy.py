"""Files that hold production data or secrets are for their owner alone (mode 0600), whatever the umask of the user."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

UMASK = 0o077


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """Create files and folders for their owner alone, in this whole process, until the block ends."""
    before = os.umask(UMASK)
    try:
        yield
    finally:
        os.umask(before)


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner alone."""
    with open(path, "w", encoding="utf-8", opener=opened) as file:
        file.write(text)


def opened(path: str, flags: int) -> int:
    """Open as `open(..., opener=opened)` asks for: what is created is for the owner alone."""
    return os.open(path, flags, 0o600)
