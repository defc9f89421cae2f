"""When a client last worked on the cluster that it left, and first on the next one: its blackout is between the two."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Literal


class SwitchTimes:
    """Times of one client's acknowledgements or deliveries on one route.

    Reading the clock for each record would cost the application several percent of its throughput. So a record only
    sets `fresh`; `look`, which the watching thread calls five times a second, reads the clock for those since the last
    look. While the cluster changes, and for the first record on the next one, `note` reads it for each record.
    """

    __slots__ = ("_before", "_first", "_generation", "_left_at", "awaits_first", "fresh", "last")

    def __init__(self) -> None:
        self.fresh = False
        self.last: float | None = None
        self.awaits_first = False  # a cluster was reached, and there was no record on it yet
        self._generation: int | None = None  # of the last change of cluster
        self._left_at: float | None = None
        self._before: float | None = None
        self._first: float | None = None

    def look(self) -> None:
        """Take the time of the records since the last look."""
        if self.fresh:
            self.fresh = False
            self.last = time.time()

    def note(self) -> bool:
        """Take the time of a record, and return whether it is the first one since a cluster was reached."""
        self.fresh = False
        self.last = time.time()
        if not self.awaits_first:
            return False
        self.awaits_first = False
        self._first = self.last
        return True

    def left(self, generation: int) -> None:
        """Note that the cluster was left, for this generation: nothing can happen on it any more."""
        self.look()
        self.awaits_first = False
        self._generation, self._left_at, self._before, self._first = generation, time.time(), self.last, None

    def reached(self, generation: int) -> None:
        """Note that the next cluster is in use, by this generation."""
        self._generation, self._first, self.awaits_first = generation, None, True

    def report(self, done: Literal["acked", "delivered"]) -> dict[str, Any]:
        """Return the part of the status document with these times."""
        self.look()
        switch = None
        if self._generation is not None:
            switch = {
                "generation": self._generation,
                **with_iso("left_at", self._left_at),
                **with_iso(f"last_{done}_at", self._before),
                **with_iso(f"first_{done}_at", self._first),
            }
        acked, delivered = (self.last, None) if done == "acked" else (None, self.last)
        return {**with_iso("acked_at", acked), **with_iso("delivered_at", delivered), "switch": switch}


def with_iso(name: str, at: float | None) -> dict[str, Any]:
    """Return a time, in seconds since 1970, under its name, and in ISO 8601 (UTC) under `<name>_iso`."""
    return {name: at, f"{name}_iso": None if at is None else iso(at)}


def iso(at: float) -> str:
    """Return a time in seconds since 1970 in ISO 8601, in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
