"""Move replicas away from their leaders' brokers, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

from confluent_kafka import KafkaException

from cutover_harness.errors import UsageError
from cutover_harness.faults.base import Injected, LastingFault, Proof
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.layout import OFFSETS, Layout, Replicas
from cutover_harness.faults.nodes import SEVERAL
from cutover_harness.types import PartitionId
from cutover_harness.waits import wait_until

_POLL_S = 0.25


class Reassign(LastingFault):
    """Reassign the batch's partitions and those of groups' offsets to other brokers, and back at the end."""

    does = (
        "each partition of the batch, and of `__consumer_offsets`, is reassigned to the brokers that do not lead it: "
        "leaders and coordinators move, and a replica is deleted; after `seconds` everything is reassigned back, and "
        "copied"
    )
    proved_by = "no partition has a replica where its leader was"
    leaves_open: ClassVar[Mapping[str, str]] = {
        "source": "partitions of the source that get other leaders",
        "target": "partitions of the target that get other leaders",
    }

    kind: Literal["reassign"]
    of: Literal["source", "target"]

    @property
    def least_brokers(self) -> int:
        """How many brokers a cluster has to have."""
        return SEVERAL

    def inject(self, context: FaultContext) -> Injected:
        """Begin the reassignment; it is reverted at the end."""
        layout = Layout(context.cluster(self.of).client_config())
        before = layout.of([*context.topics.topics, OFFSETS])
        if not before:
            raise UsageError(f"{self.name}: the {self.of} has no topic of the batch at {self.at}")
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
            awaited(layout, before, context.patience_s, lambda now: all(each.whole for each in now.values()))

        def prove() -> Proof:
            now = awaited(layout, before, context.patience_s, done)
            words = f"leaders of {len(before)} partitions, {', '.join(sorted({topic for topic, _ in before}))}"
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


def awaited(
    layout: Layout,
    partitions: Mapping[PartitionId, Replicas],
    within_s: float,
    done: Callable[[Mapping[PartitionId, Replicas]], bool],
) -> Mapping[PartitionId, Replicas]:
    """Return these partitions once `done` holds for them, or as they are after `within_s`."""

    def now() -> Mapping[PartitionId, Replicas]:
        try:
            found = layout.of({topic for topic, _ in partitions})
        except KafkaException:  # no answer at the moment
            return {}
        return {p: each for p, each in found.items() if p in partitions}

    return wait_until(now, within_s, done=lambda found: bool(found) and done(found), backoff_s=_POLL_S)
