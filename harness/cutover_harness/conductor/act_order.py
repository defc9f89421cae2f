"""What an act means for the order in which clients leave one cluster and come to the other. Pure functions."""

from __future__ import annotations

from typing import Literal

from cutover_harness.conductor.gates import Reading
from cutover_harness.conductor.statuses import Role
from cutover_harness.plan.path import Act, RouteState


def role_of(who: Literal["consumers", "producers"]) -> Role:
    """Return the role of the clients that an act moves."""
    return "consumer" if who == "consumers" else "producer"


def leaves_source(act: Act, before: RouteState, *, proved: bool) -> bool:
    """Whether clients begin to leave the source, or a held group is about to: until then it is harmless to refuse.

    `proved`: exact offsets have just been set by this process, which looked at the mirror for that.
    """
    match act:
        case Act.STOP_CONSUMERS:
            return before.consumers == "source"
        case Act.STOP_PRODUCERS:
            return before.producers == "source"
        case _:
            return act in (Act.OVERLAP_CONSUMERS, Act.SET_EXACT_OFFSETS) or (
                act == Act.CONSUMERS_TO_TARGET and not proved
            )


def leads_to_target(act: Act, before: RouteState) -> bool:
    """Whether `act` brings a route's consumers nearer to the target, on which they are not yet."""
    match act:
        case Act.STOP_CONSUMERS:
            return before.consumers == "source"
        case Act.CONSUMERS_TO_TARGET:
            return not before.overlap
        case _:
            return act in (Act.OVERLAP_CONSUMERS, Act.SET_EXACT_OFFSETS)


def consumers_first(state: RouteState) -> Reading:
    """Return whether producers may go to the target: consumers have to be there."""
    return Reading(
        open=state.consumers == "target",
        waits_for="consumers to be on the target: a path that moves producers first cannot keep order",
        evidence=f"consumers are on {state.consumers}",
    )
