"""Bypasses in the abstract world: records of producers that are no clients of the route, and what closes gates then.

The real watch looks once a second, in a thread of its own; this one has always just looked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from cutover_harness.conductor.bypass_watch import GATE
from cutover_harness.conductor.journalled_gates import unless
from cutover_harness.explore import world as w
from cutover_harness.explore.case import BYPASS, Case
from cutover_harness.explore.views import VERIFIED, Box, statuses
from cutover_harness.explore.world import World
from cutover_harness.procedure.client_status import missing
from cutover_harness.procedure.context import RouteClients
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.procedure.state import RouteState
from cutover_harness.procedure.whereabouts import ROLES, allowed
from cutover_harness.types import Role


def closing(case: Case, world: World, state: RouteState) -> str | None:
    """Return the bypasses that close every gate, None if there are none. `state`: where the route stands."""
    if case.lacks(BYPASS):
        return None
    places = allowed(state, "producer")
    copies = world.mirror != w.NOTHING and world.way == w.FORWARD
    found = []
    for part in world.parts:
        waits = w.STRAGGLER in part.source and not (copies and w.STRAGGLER in part.target)
        if "source" not in places and waits:
            found.append("a straggler has written to the source, and the mirror has not copied it")
        if "target" not in places and w.EARLY in part.target:
            found.append("an early producer has written to the target, and nothing copies it to the source")
    return "; ".join(found) or None


def can_be_accepted(case: Case, world: World, state: RouteState, gate: str) -> bool:
    """Whether `run --accept-bypass` would open a gate: the watch, and the comparison of all records, then accept it."""
    unknown = any(w.EARLY in part.target for part in world.parts)
    return closing(case, world, state) is not None or (gate == VERIFIED and unknown)


def closes(gate: Gate, box: Box, state: RouteState) -> Gate:
    """Return a gate that bypasses close as well."""
    return replace(gate, read=unless(lambda: closing(box.case, box.world, state), gate.read))


def gate(box: Box, route: RouteClients, state: RouteState, moving: Collection[Role], deadline_s: float) -> Gate:
    """Return the gate before a step: no client bypasses the route, and each one attests its location.

    moving: roles that the step moves if it was begun: where their clients are is not known.
    """

    def absent() -> Sequence[str]:
        found = statuses(box)
        places = {"producer": state.producers, "consumer": state.consumers}
        roles = [role for role in ROLES if role not in moving] if route.members is None else []
        expected = [(role, route.instances(role)) for role in roles]
        return [line for role, names in expected for line in missing(found, names, places[role], 0)]

    def read() -> Reading:
        waits = closing(box.case, box.world, state) or "; ".join(absent())
        return Reading(open=not waits, waits_for=waits)

    return Gate(GATE, read, deadline_s)
