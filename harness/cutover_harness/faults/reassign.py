"""Move replicas away from their leaders' brokers, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from cutover_harness.faults.base import Injected, LastingFault, Proof
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.layout import Replicas
from cutover_harness.faults.of_several import FaultOfSeveral, awaited, whole
from cutover_harness.types import PartitionId
from cutover_harness.words import counted


class Reassign(FaultOfSeveral, LastingFault):
    """Reassign the batch's partitions and those of groups' offsets to other brokers, and back at the end."""

    does = (
        "each partition of the batch, and of `__consumer_offsets`, is reassigned to the brokers that do not lead it: "
        "leaders and coordinators move, and a replica is deleted; after `seconds` everything is reassigned back, and "
        "copied"
    )
    proved_by = "no partition has a replica where its leader was"

    kind: Literal["reassign"]

    def inject(self, context: FaultContext) -> Injected:
        """Begin the reassignment; it is reverted at the end."""
        layout, before = self.layout(context)
        wanted = elsewhere(before, layout.brokers())
        layout.assign(wanted)

        def done(now: Mapping[PartitionId, Replicas]) -> bool:
            return all(
                p in now and now[p].replicas == tuple(replicas) and now[p].leader in replicas
                for p, replicas in wanted.items()
            )

        def back() -> None:
            layout.assign({partition: each.replicas for partition, each in before.items()})
            # Until then there are fewer replicas than other faults, and the end of the run, count on.
            awaited(layout, before, context.patience_s, whole)

        def prove() -> Proof:
            now = awaited(layout, before, context.patience_s, done)
            words = (
                f"leaders of {counted(len(before), 'partition')}, {', '.join(sorted({topic for topic, _ in before}))}"
            )
            return Proof(done(now), f"{'moved' if done(now) else 'not all moved:'} the {words}, on the {self.of}")

        return Injected(prove, back)


def elsewhere(before: Mapping[PartitionId, Replicas], brokers: Sequence[int]) -> dict[PartitionId, list[int]]:
    """Return replicas for each partition without its leader's broker: those left, and one broker that has none yet."""
    found = {}
    for number, (partition, each) in enumerate(sorted(before.items())):
        kept = [broker for broker in each.replicas if broker != each.leader]
        free = [broker for broker in brokers if broker not in each.replicas]
        found[partition] = kept + ([free[number % len(free)]] if free else [])
    return found
