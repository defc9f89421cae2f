"""Add a member to a consumer group while it moves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from cutover_harness.faults.base import Fault, Injected, Proof, Rehearsed
from cutover_harness.faults.context import FaultContext
from cutover_harness.waits import wait_until
from cutover_harness.words import counted

_POLL_S = 0.05


class Join(Fault):
    """Start one more member of the fleet's first group, which stays. The conductor does not expect it."""

    does = "one more member of the fleet's first group starts unannounced, and stays; the path continues once it is up"
    proved_by = "it was assigned a partition"
    leaves_open: ClassVar[Mapping[str, str]] = {"group": "a group that gets a member during the switch"}

    kind: Literal["join"]
    of: Literal["group"]

    def unfit(self, rehearsed: Rehearsed) -> str | None:
        """Refuse apps that follow no cutover file."""
        return None if rehearsed.apps == "shim" else f"{self.name} is for apps with the shim (fleet.apps)"

    def inject(self, context: FaultContext) -> Injected:
        """Start the member and wait until it is up; the proof is the first partition that it is assigned.

        No step can wait for a member before it is up: on a slow machine the path would be over by then.
        """
        fleet, within_s = context.fleet, context.patience_s
        group = next(iter(fleet.shape.groups))
        instance = fleet.add_member(group)
        status = fleet.status_dir / f"{instance}.json"
        wait_until(lambda: _routes(status), within_s, backoff_s=_POLL_S)
        return Injected(lambda: _proof(status, f"{instance} of {group}", within_s))


def _proof(status: Path, member: str, within_s: float) -> Proof:
    def assigned() -> Proof | None:
        for route in _routes(status).values():
            if count := sum(map(len, route.get("assigned", {}).values())):
                return Proof(True, f"{member} was assigned {counted(count, 'partition')} on {route['cluster']}")
        return None

    nothing = Proof(False, f"{member} was assigned nothing within {within_s:.0f} s")
    return wait_until(assigned, within_s, backoff_s=_POLL_S) or nothing


def _routes(status: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(status.read_text(encoding="utf-8")).get("routes", {})
    except (OSError, ValueError):
        return {}  # not written yet, or being replaced
    return found
