"""Times of journal, audit log and statuses."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(at: float | None) -> str | None:
    """Return a time in seconds since 1970 in ISO 8601, in UTC with milliseconds; None if it is no time."""
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def of_ns(ns: int) -> str:
    """Return a time of the journal."""
    return iso(ns / 1e9) or "not a time"


def seconds(text: object) -> float | None:
    """Return a time of the audit log in seconds since 1970, None if it is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError):
        return None
