"""Reading the statuses that the shims write, and the barrier over them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cutover_harness.plan.path import Place

Role = Literal["producer", "consumer"]
SILENT_AFTER_S = 5.0
"""A client that has not renewed its status for this long is called silent; the shim renews it every second."""
GONE_AFTER_S = 30.0
"""A client that nobody announced is taken for gone after this long. A busy machine, or a frozen process, is silent for
seconds, and a gate that does not wait for it would open although it holds nothing."""


@dataclass(frozen=True)
class ClientStatus:
    """What one client of the shim last said of itself on one route."""

    instance: str
    role: Role
    group: str | None
    updated: float
    generation: int
    desired: str
    state: str
    in_flight: int
    queued: int
    error: str | None
    rejected: str | None

    def attests(self, place: Place, generation: int) -> bool:
        """Whether the client has followed `generation` to `place`."""
        return self.generation >= generation and self.state == ("held" if place == "hold" else place)

    def describe(self, now: float) -> str:
        """Return what is missing, for the one who waits."""
        parts = [f"{self.instance} is {self.state} at generation {self.generation}"]
        if self.in_flight:
            parts.append(f"{self.in_flight} in flight")
        if self.error or self.rejected:
            parts.append(str(self.error or self.rejected))
        if now - self.updated > SILENT_AFTER_S:
            parts.append(f"silent for {now - self.updated:.0f} s")
        return ", ".join(parts)


def read_statuses(folder: Path, route: str) -> dict[str, ClientStatus]:
    """Return the status on `route` of each client that wrote one, by instance. Unreadable files are left out."""
    statuses = {}
    for file in sorted(folder.glob("*.json")):
        try:
            found = _status(json.loads(file.read_text(encoding="utf-8")), route)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # being replaced, or not a status: whoever is missing is named by the barrier
        if found is not None:
            statuses[found.instance] = found
    return statuses


def _status(raw: dict[str, Any], route: str) -> ClientStatus | None:
    on_route = raw.get("routes", {}).get(route)
    if on_route is None or raw.get("closed"):
        return None
    role: Role = "producer" if raw["role"] == "producer" else "consumer"
    return ClientStatus(
        instance=str(raw["instance"]),
        role=role,
        group=raw.get("group"),
        updated=float(raw["updated"]),
        generation=int(on_route["generation"]),
        desired=str(on_route["desired"]),
        state=str(on_route["state"]),
        in_flight=int(on_route.get("in_flight", 0)),
        queued=int(on_route.get("queued", 0)),
        error=on_route.get("error"),
        rejected=raw.get("rejected"),
    )


def joined_later(
    statuses: Mapping[str, ClientStatus], role: Role, instances: Sequence[str], now: float | None = None
) -> list[str]:
    """Return the clients of `role` that are there beside the expected `instances`: a fleet may grow at any time.

    Those that have been silent for long are left out, as nobody expects them back.
    """
    now = time.time() if now is None else now
    return [
        name
        for name, status in statuses.items()
        if status.role == role and name not in instances and now - status.updated <= GONE_AFTER_S
    ]


def missing(
    statuses: Mapping[str, ClientStatus],
    instances: Iterable[str],
    place: Place,
    generation: int,
    now: float | None = None,
) -> Sequence[str]:
    """Return, in words, who of `instances` has not attested `place` at `generation`; empty when all have."""
    now = time.time() if now is None else now
    out = []
    for instance in instances:
        status = statuses.get(instance)
        if status is None:
            out.append(f"{instance} has written no status")
        elif not status.attests(place, generation):
            out.append(status.describe(now))
    return out
