"""Traffic of the clients before and after a step: a move proves something only in the middle of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from cutover_harness.conductor.cutover_file_writer import RouteLocations
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.preconditions import Preconditions
from cutover_harness.conductor.resume import turned_back
from cutover_harness.procedure.state import RouteState, role_of
from cutover_harness.procedure.step import Step
from cutover_harness.types import Role

WARM_UP_S = 1.0
"""How long traffic flows before the first step."""


@dataclass(frozen=True)
class Traffic:
    """Waits for traffic, and lets it flow.

    `within_s`: how long to wait for it; 0, as on production, does not look.
    """

    preconditions: Preconditions
    journal: Journal
    within_s: float
    sleep: Callable[[float], None]

    def warm_up(self, locations: RouteLocations) -> None:
        """Let traffic flow before the first step."""
        begin = time.monotonic()
        for role in locations.by_role():
            self._await(role, RouteState(consumers=locations.consumers, producers=locations.producers))
        self._dwell(begin, WARM_UP_S)

    def of_leaving(self, step: Step, state: RouteState) -> None:
        """Wait for the traffic of the clients that `step` moves, which are where `state` says."""
        if step.moves:
            self._await(role_of(step.moves), state)

    def let_flow(self, number: int, step: Step, state: RouteState, dwell_s: float) -> None:
        """Let traffic flow for `dwell_s` after a step; wait for the traffic of the clients that it has moved."""
        begin = time.monotonic()
        who = step.moves if dwell_s else None
        if who == "producers":
            self._await("producer", state)
        self.journal.write("flows", number, step.name)
        if who == "consumers":  # a fault that ends with the entry above may hold their traffic back until then
            self._await("consumer", state)
        self._dwell(begin, dwell_s)

    def _dwell(self, begin: float, seconds: float) -> None:
        """Let traffic flow for `seconds` from `begin` on (monotonic clock)."""
        self.sleep(max(0.0, begin + seconds - time.monotonic()))

    def _await(self, role: Role, state: RouteState) -> None:
        # A path on its way back proves nothing, and producers may have been held until now.
        if not turned_back(self.journal.read()):
            self.preconditions.await_traffic(role, state, self.within_s)
