"""Records as the comparison sees them: rows while both logs are equal, entries with digests where they are not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

Headers = Sequence[tuple[str, bytes | None]] | None
Row = tuple[bytes | None, bytes | None, Headers, int | None]
"""Key, value, headers and timestamp (milliseconds; None if the broker sets it, because each cluster has its own)."""


class Entry(NamedTuple):
    """A record by its digests, so that many of them fit into memory."""

    offset: int
    digest: bytes
    """Of the whole row: equal for the same record on both clusters."""
    key: bytes | None
    value: bytes | None
    """Digest of the value; None for a tombstone."""
    time: int | None


def entry(offset: int, row: Row) -> Entry:
    """Return the entry of a row."""
    key, value, headers, time = row
    short = None if value is None else hashlib.blake2b(value, digest_size=12).digest()
    whole = hashlib.blake2b(repr((key, short, headers, time)).encode(), digest_size=12).digest()
    return Entry(offset, whole, key, short, time)


def key_hash(key: bytes | None) -> str | None:
    """Return the part of a key's SHA-256 that reports show instead of the key, which is production data."""
    return None if key is None else hashlib.sha256(key).hexdigest()[:12]


def size(row: Row) -> int:
    """Return the bytes of key, value and headers."""
    key, value, headers, _ = row
    named = sum(len(name) + len(content or b"") for name, content in headers) if headers else 0
    return len(key or b"") + len(value or b"") + named
