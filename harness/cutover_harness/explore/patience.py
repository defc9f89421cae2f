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
    copies = world.mirror == w.RUNS and world.way == w.FORWARD and not world.away
    for number, part in enumerate(world.parts):
        away = w.SOURCE_AWAY if part.producer_at == w.SOURCE else w.TARGET_AWAY
        writes = part.producer_up and part.producer_at != w.HOLD and not world.away & away
        if writes and part.sent < case.bounds.records and case.restarted("producer", number):
            return True
        if copies and part.copied < len(part.source):
            return True
        reads_there = w.active_on_target(world, case.groups[case.group_of(number)])
        if copies and world.translates and not reads_there and part.offset < w.translated(part) - 1:
            return True
    return False
