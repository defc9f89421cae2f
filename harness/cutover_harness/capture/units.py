"""Times, durations and sizes on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from cutover_harness.errors import UsageError

_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def span_s(option: str, text: str) -> float:
    """Return the seconds of `90s`, `10m`, `1.5h`. Raises UsageError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", text.strip())
    if not found or not float(found[1]):
        raise UsageError(f"{option} {text}: not a time such as 90s, 10m or 2h")
    return float(found[1]) * _UNITS_S[found[2]]


def size_bytes(option: str, text: str) -> int:
    """Return the bytes of `500k`, `20m`, `2g` (powers of 1024). Raises UsageError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?", text.strip().lower())
    if not found or not float(found[1]):
        raise UsageError(f"{option} {text}: not a size such as 500k, 20m or 2g")
    return int(float(found[1]) * _SIZES[found[2]])


def moment_ms(option: str, text: str, now: datetime) -> int:
    """Return the epoch ms of an ISO time (UTC without a zone), or of an age before now. Raises UsageError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = now - timedelta(seconds=span_s(option, text))
        except UsageError:
            raise UsageError(
                f"{option} {text}: expected an ISO time such as 2026-01-31T08:00, or an age such as 2h"
            ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
