"""What the shim tells the application's log: where each client is, and what stays behind while others move."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from cutover_shim.cutover_file import CutoverFile

log = logging.getLogger("cutover_shim")


class Words:
    """The lines of one client, each once."""

    def __init__(self, role: str, instance: str, path: str | None) -> None:
        self._client = f"{role} {instance}"
        self._path = path
        self._at: dict[str | None, str] = {}
        self._left: set[str] = set()

    def began(self, route: str | None, state: str, generation: int) -> None:
        """Tell at the start which file is followed, and where this client is."""
        self._at[route] = state
        log.info(
            "cutover shim: %s follows %s, generation %d: %s, %s",
            self._client,
            self._path,
            generation,
            "in no route yet" if route is None else f"route {route}",
            state,
        )

    def at(self, route: str | None, state: str, generation: int) -> None:
        """Tell that a change is complete; what was told already is not told again."""
        before = self._at.get(route)
        if before == state:
            return
        self._at[route] = state
        log.info(
            "cutover shim: %s, route %s: now %s%s, generation %d",
            self._client,
            route,
            state,
            "" if before is None else f" (was {before})",
            generation,
        )

    def left_behind(self, kind: str, names: Iterable[str], file: CutoverFile, role: str) -> None:
        """Warn of topics or groups in no route, once each, when a route of the file has left the source."""
        moving = sorted(r.name for r in file.routes.values() if getattr(r, role) != "source")
        if not moving:
            return
        for name in sorted(set(names) - self._left):
            self._left.add(name)
            log.warning(
                "cutover shim: %s: %s %s is in no route of %s and stays on the source, while %s moves%s",
                self._client,
                kind,
                name,
                self._path,
                ", ".join(moving),
                "; this group reads only its copy on the target" if (kind, role) == ("topic", "consumers") else "",
            )
