"""Files with production data or secrets are private to their owner (mode 0600), whatever the user's umask."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

UMASK = 0o077


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """Create all files and folders of this process private to their owner, until the block ends."""
    before = os.umask(UMASK)
    try:
        yield
    finally:
        os.umask(before)


def write_private(path: Path, text: str) -> None:
    """Write a file that is private to its owner."""
    with open(path, "w", encoding="utf-8", opener=opened) as file:
        file.write(text)


def opened(path: str, flags: int) -> int:
    """Open a file for `open(..., opener=opened)`, which then creates files private to their owner."""
    return os.open(path, flags, 0o600)
