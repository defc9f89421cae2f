"""A consumer group that grows while it is moved."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from cutover_harness.faults.proof import Proof
from cutover_harness.plan.fault import Fault
from cutover_harness.replay.fleet import Fleet

WITHIN_S = 60.0
"""How long the member may take to be up, and then to be assigned a partition."""
_POLL_S = 0.05


class Joining:
    """Has one more member of the fleet's first group start; nobody has told the conductor of it."""

    def __init__(self, fleet: Fleet, within_s: float = WITHIN_S) -> None:
        self._fleet = fleet
        self._within_s = within_s

    def __call__(self, _: Fault) -> Callable[[], Proof]:
        """Start the member, and wait until it is up; the proof is the first partition that it is assigned.

        Before it is up nobody can wait for it: a path that went on at once would not meet it on a slow machine.
        """
        group = next(iter(self._fleet.shape.groups))
        instance = self._fleet.add_member(group)
        begin = time.monotonic()
        while not self._routes(instance) and time.monotonic() - begin < self._within_s:
            time.sleep(_POLL_S)
        return lambda: self._proof(group, instance)

    def _proof(self, group: str, instance: str) -> Proof:
        begin = time.monotonic()
        while time.monotonic() - begin < self._within_s:
            for route in self._routes(instance).values():
                if count := sum(map(len, route.get("assigned", {}).values())):
                    return Proof(True, f"{instance} of {group} was assigned {count} partitions on {route['cluster']}")
            time.sleep(_POLL_S)
        return Proof(False, f"{instance} of {group} was assigned nothing within {self._within_s:.0f} s")

    def _routes(self, instance: str) -> dict[str, Any]:
        try:
            status = json.loads((self._fleet.status_dir / f"{instance}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # not written yet, or being replaced
        found: dict[str, Any] = status.get("routes", {})
        return found
