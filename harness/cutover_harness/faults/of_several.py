"""What faults of a cluster of several brokers have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import ClassVar, Literal

from confluent_kafka import KafkaException

from cutover_harness.errors import UsageError
from cutover_harness.faults.base import Fault
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.layout import OFFSETS, Layout, Replicas
from cutover_harness.faults.nodes import SEVERAL
from cutover_harness.types import PartitionId
from cutover_harness.waits import wait_until

_POLL_S = 0.25


class FaultOfSeveral(Fault):
    """A fault of a cluster of several brokers, which moves leaders."""

    leaves_open: ClassVar[Mapping[str, str]] = {
        "source": "partitions of the source that get other leaders",
        "target": "partitions of the target that get other leaders",
    }

    of: Literal["source", "target"]

    @property
    def least_brokers(self) -> int:
        """How many brokers a cluster has to have."""
        return SEVERAL

    def layout(self, context: FaultContext) -> tuple[Layout, Mapping[PartitionId, Replicas]]:
        """Return the cluster's layout, and its partitions of the batch and of groups' offsets. Raises UsageError."""
        layout = Layout(context.cluster(self.of).client_config())
        found = layout.of([*context.topics.topics, OFFSETS])
        if not found:
            raise UsageError(f"{self.name}: the {self.of} has no topic of the batch at {self.at}")
        return layout, found


def awaited(
    layout: Layout,
    partitions: Collection[PartitionId] | None,
    within_s: float,
    done: Callable[[Mapping[PartitionId, Replicas]], bool],
) -> Mapping[PartitionId, Replicas]:
    """Return these partitions, or all, once `done` holds for them, or as they are after `within_s`.

    They are empty as long as the cluster does not answer.
    """
    topics = None if partitions is None else {topic for topic, _ in partitions}

    def now() -> Mapping[PartitionId, Replicas]:
        try:
            found = layout.of(topics)
        except KafkaException:  # its connection was to a broker that is away
            return {}
        return {p: each for p, each in found.items() if partitions is None or p in partitions}

    return wait_until(now, within_s, done=lambda found: bool(found) and done(found), backoff_s=_POLL_S)


def whole(partitions: Mapping[PartitionId, Replicas]) -> bool:
    """Return whether there are some, each with a leader and all replicas in sync."""
    return bool(partitions) and all(each.whole for each in partitions.values())
