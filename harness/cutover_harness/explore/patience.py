"""Time in the abstract world: what would have happened long ago if it could."""

from __future__ import annotations

from cutover_harness.explore import world as w
from cutover_harness.explore.case import Case
from cutover_harness.explore.memory import LONG
from cutover_harness.explore.world import World
from cutover_harness.plan.path import Gates

BARS = Gates(lag_bar=1, settle_s=LONG, quiet_s=LONG)


def urgent(case: Case, world: World) -> bool:
    """Whether something that runs has something to do: it would have done it within a long time."""
    if world.away:
        return False
    copies = world.mirror == w.RUNS and world.way == w.FORWARD
    for number, part in enumerate(world.parts):
        writes = part.producer_up and part.producer_at != w.HOLD and part.sent < case.bounds.records
        if writes and case.restarted("producer", number):
            return True
        if copies and part.copied < len(part.source):
            return True
        if copies and world.translates and not w.active_on_target(world) and part.offset < w.translated(part) - 1:
            return True
    return False
