"""What to record: typed options for the command line and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

MaskWhat = Literal["values", "keys", "all"]


@dataclass(frozen=True)
class RecordOptions:
    """What to record, and at which rate.

    `topics`: names or globs. `since_ms`, `until_ms`: a window of time in the past (epoch ms; None: open).
    `duration_s`: record live for that long, from the end of the log on, or from `since_ms`. None of them: all that
    there is at the start. `max_records`, `max_bytes` (keys and values) end it earlier. `rate_bytes`: at most so many
    bytes a second.
    """

    topics: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    duration_s: float | None = None
    max_records: int | None = None
    max_bytes: int | None = None
    rate_bytes: float | None = None
    read_committed: bool = False
    mask: MaskWhat | None = None

    def asked(self) -> dict[str, Any]:
        """Return the options that must be the same on resume: the selection of records, and the masking."""
        return {
            "topics": list(self.topics),
            "exclude": list(self.exclude),
            "read_committed": self.read_committed,
            "mask": self.mask,
        }
