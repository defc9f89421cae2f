"""Statuses that clients of the shim report on a route, and which clients have attested a location."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover_harness.types import Location, Role

SILENT_AFTER_S = 5.0
"""A client that has not renewed its status for this long is called silent; the shim renews it every second."""
GONE_AFTER_S = 30.0
"""A client that was not announced counts as gone after this long. A busy machine, or a frozen process, is silent for
seconds, and a gate that does not wait for it would open although it holds nothing."""


@dataclass(frozen=True)
class ClientStatus:
    """The last report of one client of the shim on one route. `updated` is the time on the client's own host."""

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

    def attests(self, location: Location, generation: int) -> bool:
        """Whether the client has followed `generation` to `location`."""
        return self.generation >= generation and self.state == ("held" if location == "hold" else location)

    def describe(self, silent_s: float = 0.0) -> str:
        """Return, in words, why the client attests nothing; `silent_s`: how long it has not renewed its status."""
        parts = [f"{self.instance} is {self.state} at generation {self.generation}"]
        if self.in_flight:
            parts.append(f"{self.in_flight} in flight")
        if self.error or self.rejected:
            parts.append(str(self.error or self.rejected))
        if silent_s > SILENT_AFTER_S:
            parts.append(f"silent for {silent_s:.0f} s")
        return ", ".join(parts)


class StatusWatch:
    """How long each client has not renewed its status, on the clock of the one who looks.

    The time in a status is that of the client's host, whose clock may be wrong. So the time proves nothing, but that it
    changes does: a client that renews its status is there, however late or early its clock is.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, float]] = {}
        self._renewed: set[str] = set()

    def look(self, statuses: Mapping[str, ClientStatus]) -> None:
        """Compare the statuses with those of the last look."""
        now = self._clock()
        for name, status in statuses.items():
            before = self._seen.get(name)
            if before is None or before[0] != status.updated:
                self._seen[name] = (status.updated, now)
                if before is not None:
                    self._renewed.add(name)

    def silent_s(self, instance: str) -> float:
        """Return for how long no look has found a new status; 0 for a client that was not seen."""
        return self._clock() - self._seen[instance][1] if instance in self._seen else 0.0

    def renews(self, instance: str) -> bool:
        """Whether a look found a new status, not longer ago than a client may be silent."""
        return instance in self._renewed and self.silent_s(instance) <= SILENT_AFTER_S


def status_in(raw: Mapping[str, Any], route: str) -> ClientStatus | None:
    """Return the status on `route` in the content of a status file, None if it is closed or has none.

    Raises KeyError, TypeError, ValueError, OverflowError or AttributeError if `raw` is no status.
    """
    on_route = raw.get("routes", {}).get(route)
    if on_route is None or raw.get("closed"):
        return None
    role: Role = "producer" if raw["role"] == "producer" else "consumer"
    updated = float(raw["updated"])
    if not math.isfinite(updated):  # NaN differs from itself, so each look would take it for renewed
        raise ValueError(f"updated is {updated}")
    return ClientStatus(
        instance=str(raw["instance"]),
        role=role,
        group=raw.get("group"),
        updated=updated,
        generation=int(on_route["generation"]),
        desired=str(on_route["desired"]),
        state=str(on_route["state"]),
        in_flight=int(on_route.get("in_flight", 0)),
        queued=int(on_route.get("queued", 0)),
        error=on_route.get("error"),
        rejected=raw.get("rejected"),
    )


def joined_later(
    statuses: Mapping[str, ClientStatus],
    role: Role,
    instances: Sequence[str],
    watch: StatusWatch,
) -> list[str]:
    """Return the clients of `role` that report besides the expected `instances`: a fleet may grow at any time.

    A client that has not renewed its status for GONE_AFTER_S while `watch` looked is left out.
    """
    return [
        name
        for name, status in statuses.items()
        if status.role == role and name not in instances and watch.silent_s(name) <= GONE_AFTER_S
    ]


def missing(
    statuses: Mapping[str, ClientStatus],
    instances: Iterable[str],
    location: Location,
    generation: int,
    watch: StatusWatch | None = None,
) -> Sequence[str]:
    """Return, in words, which of `instances` have not attested `location` at `generation`; empty if all have."""
    out = []
    for instance in instances:
        status = statuses.get(instance)
        if status is None:
            out.append(f"{instance} has written no status")
        elif not status.attests(location, generation):
            out.append(status.describe(watch.silent_s(instance) if watch is not None else 0.0))
    return out
