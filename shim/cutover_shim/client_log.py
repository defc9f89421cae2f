"""The lines that the shim logs for a client: its location, each change, and what stays behind while others move."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from cutover_shim.cutover_file import CutoverFile

log = logging.getLogger("cutover_shim")


class ClientLog:
    """The lines of one client, each logged once."""

    def __init__(self, role: str, instance: str, path: str | None) -> None:
        self._client = f"{role} {instance}"
        self._path = path
        self._states: dict[str | None, str] = {}
        self._unrouted: set[str] = set()

    def started(self, route: str | None, state: str, generation: int) -> None:
        """Log the file that is followed and the client's first state."""
        self._states[route] = state
        log.info(
            "cutover shim: %s follows %s, generation %d: %s, %s",
            self._client,
            self._path,
            generation,
            "in no route yet" if route is None else f"route {route}",
            state,
        )

    def moved(self, route: str | None, state: str, generation: int) -> None:
        """Log a change that is complete; a state that was logged last is not logged again."""
        before = self._states.get(route)
        if before == state:
            return
        self._states[route] = state
        log.info(
            "cutover shim: %s, route %s: now %s%s, generation %d",
            self._client,
            route,
            state,
            "" if before is None else f" (was {before})",
            generation,
        )

    def unrouted(self, kind: str, names: Iterable[str], file: CutoverFile, role: str) -> None:
        """Warn of topics or groups (`kind`) in no route, once each, if a route's `role` has left the source."""
        moving = sorted(r.name for r in file.routes.values() if getattr(r, role) != "source")
        if not moving:
            return
        which = f"route {moving[0]} moves" if len(moving) == 1 else f"routes {', '.join(moving)} move"
        for name in sorted(set(names) - self._unrouted):
            self._unrouted.add(name)
            log.warning(
                "cutover shim: %s: %s %s is in no route of %s and stays on the source, while %s%s",
                self._client,
                kind,
                name,
                self._path,
                which,
                "; this group reads only its copy on the target" if (kind, role) == ("topic", "consumers") else "",
            )
