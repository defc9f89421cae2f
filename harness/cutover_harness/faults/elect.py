"""Elect other leaders while all brokers are up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from cutover_harness.errors import UsageError
from cutover_harness.faults.base import Fault, Injected, Proof
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.layout import OFFSETS, Layout, Replicas
from cutover_harness.faults.nodes import SEVERAL
from cutover_harness.faults.reassign import awaited
from cutover_harness.types import PartitionId


class Elect(Fault):
    """Prefer another leader for each partition, and elect it."""

    does = (
        "each partition of the batch, and of `__consumer_offsets`, gets another preferred leader, which is elected "
        "immediately: leaders and coordinators move while all brokers are up"
    )
    proved_by = "each partition has another leader"
    leaves_open: ClassVar[Mapping[str, str]] = {
        "source": "partitions of the source that get other leaders",
        "target": "partitions of the target that get other leaders",
    }

    kind: Literal["elect"]
    of: Literal["source", "target"]

    @property
    def least_brokers(self) -> int:
        """How many brokers a cluster has to have."""
        return SEVERAL

    def inject(self, context: FaultContext) -> Injected:
        """Change the preferred leaders and let them be elected; the path continues then."""
        layout = Layout(context.cluster(self.of).client_config())
        before = layout.of([*context.topics.topics, OFFSETS])
        if not before:
            raise UsageError(f"{self.name}: the {self.of} has no topic of the batch at {self.at}")
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
