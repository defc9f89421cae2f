"""Which clients renew their statuses: by the times in them, and if these tell nothing, by looking twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from cutover_harness.cli.fleet_rows import number
from cutover_harness.procedure.client_status import SILENT_AFTER_S


class Freshness:
    """How long each client has not renewed its status.

    A time in a status is that of the client's host, whose clock may be wrong. One of the last few seconds is believed,
    so that a table of a healthy fleet needs one look. Otherwise the client counts as silent until a look finds another
    time there.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._clock, self._wall_clock = clock, wall_clock
        self._seen: dict[str, tuple[float, float]] = {}  # time in the status, when it was first seen
        self._renewed: set[str] = set()

    def look(self, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        """Compare the statuses with those of the last look."""
        now = self._clock()
        for name, status in statuses.items():
            updated = number(status.get("updated"))
            before = self._seen.get(name)
            if updated is not None and (before is None or before[0] != updated):
                self._seen[name] = (updated, now)
                if before is not None:
                    self._renewed.add(name)

    def silent_s(self, client: str, updated: float) -> float | None:
        """Return for how long a client has been silent; None if that is not too long."""
        seen = self._seen.get(client)
        watched = 0.0 if seen is None else self._clock() - seen[1]
        if client in self._renewed:
            return watched if watched > SILENT_AFTER_S else None
        age = self._wall_clock() - updated
        silent = max(age, watched)
        return None if -SILENT_AFTER_S <= age <= SILENT_AFTER_S and watched <= SILENT_AFTER_S else max(0.0, silent)

    def in_doubt(self, statuses: Mapping[str, Mapping[str, Any]]) -> bool:
        """Return whether another look may find that a client is not silent after all."""
        open_ones = ((name, number(s.get("updated"))) for name, s in statuses.items() if s.get("closed") is not True)
        return any(
            updated is not None and name not in self._renewed and self.silent_s(name, updated) is not None
            for name, updated in open_ones
        )
