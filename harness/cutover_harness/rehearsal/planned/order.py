"""The batches that fit into one scenario in which they move one after the other, and why others do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cutover_harness.judge.planned import Omitted
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.planned.fleet import overlaps
from cutover_harness.rehearsal.planned.limits import Limits
from cutover_harness.rehearsal.planned.omitted import HIGHER
from cutover_harness.rehearsal.planned.parts import Part
from cutover_harness.words import listed


@dataclass(frozen=True)
class Order:
    """How many batches, from the first one on, move in their order, and what of the order is left out."""

    count: int
    omitted: Omitted | None


def order_of(parts: Sequence[Part], templates: Sequence[Scenario], limits: Limits) -> Order:
    """Return the batches whose order is rehearsed: those that fit into the limits, if none of them overlaps."""
    overlapping = [part.batch.name for part, template in zip(parts, templates, strict=True) if overlaps(template)]
    if overlapping:
        return Order(
            0,
            Omitted(
                "The order of the batches: each was rehearsed on clusters of its own",
                f"how a batch moves while earlier ones are on the target: {listed(overlapping)} has the path overlap, "
                "which restarts the whole fleet of a rehearsal",
                "rehearse with another path for this batch",
            ),
        )
    count, left = 0, limits.apps
    for part in parts[: limits.topics]:
        left -= 1 + part.least_producers
        if left < 0:
            break
        count += 1
    count = count if count > 1 else 0
    if count == len(parts):
        return Order(count, None)
    return Order(
        count,
        Omitted(
            f"The order of the batches: {listed([part.batch.name for part in parts[count:]])}",
            "how these batches move while earlier ones are on the target: each was rehearsed on clusters of its own",
            HIGHER.format("--max-apps and --max-topics"),
        ),
    )
