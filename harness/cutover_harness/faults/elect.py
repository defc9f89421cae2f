"""Elect other leaders while all brokers are up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from cutover_harness.faults.base import Injected, Proof
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.layout import Replicas
from cutover_harness.faults.of_several import FaultOfSeveral, awaited
from cutover_harness.types import PartitionId


class Elect(FaultOfSeveral):
    """Prefer another leader for each partition, and elect it."""

    does = (
        "each partition of the batch, and of `__consumer_offsets`, gets another preferred leader, which is elected "
        "immediately: leaders and coordinators move while all brokers are up"
    )
    proved_by = "each partition has another leader"

    kind: Literal["elect"]

    def inject(self, context: FaultContext) -> Injected:
        """Change the preferred leaders and let them be elected; the path continues then."""
        layout, before = self.layout(context)
        wanted = {partition: turned(each) for partition, each in before.items()}
        layout.assign(wanted)

        def prefers(now: Mapping[PartitionId, Replicas]) -> bool:
            return all(p in now and now[p].replicas == replicas for p, replicas in wanted.items())

        def led(now: Mapping[PartitionId, Replicas]) -> list[PartitionId]:
            return [p for p, each in before.items() if p in now and now[p].leader not in (-1, each.leader)]

        awaited(layout, before, context.patience_s, prefers)
        layout.elect(before)

        def prove() -> Proof:
            moved = led(awaited(layout, before, context.patience_s, lambda now: len(led(now)) == len(before)))
            words = f"{len(moved)} of {len(before)} partitions have another leader on the {self.of}"
            return Proof(len(moved) == len(before), words)

        return Injected(prove)


def turned(each: Replicas) -> tuple[int, ...]:
    """Return the replicas with another one than the leader first; the same replicas, so that nothing is copied."""
    others = [broker for broker in each.replicas if broker != each.leader]
    return (*others, *(broker for broker in each.replicas if broker == each.leader))
