"""One broker of several as a victim: the one that leads most partitions, so that its failure moves leaders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException

from cutover_harness.errors import UsageError
from cutover_harness.faults.base import Proof
from cutover_harness.faults.layout import Replicas
from cutover_harness.testbed.base import BrokerNode, Cluster
from cutover_harness.types import PartitionId
from cutover_harness.waits import wait_until
from cutover_harness.words import counted

_POLL_S = 0.25
Read = Callable[[], Mapping[PartitionId, Replicas]]


@dataclass(frozen=True)
class LeadingBroker:
    """The broker `node`, and the partitions that it led when the fault was injected.

    read: returns the partitions as they are now. within_s: how long the others may take.
    """

    node: BrokerNode
    led: Sequence[PartitionId]
    read: Read
    within_s: float

    def kill(self) -> None:
        """End it without warning (SIGKILL)."""
        self.node.kill()

    def freeze(self) -> None:
        """Freeze it (SIGSTOP)."""
        self.node.freeze()

    def thaw(self) -> None:
        """Resume it."""
        self.node.thaw()

    def stopped(self) -> bool:
        """Return whether it is frozen or does not run."""
        return self.node.stopped()

    def stop(self) -> str | None:
        """Shut it down; return a text if it had to be killed."""
        return self.node.stop()

    def restart(self) -> None:
        """Shut it down if it runs, start it, return when it serves."""
        self.node.restart()

    def passed_on(self) -> Proof:
        """Return the proof that other brokers lead now what it led."""

        def left() -> list[PartitionId]:
            try:
                now = self.read()
            except KafkaException:  # the client asked the victim, or the leaders are not known yet
                return list(self.led)
            return [p for p in self.led if p not in now or now[p].leader in (-1, self.node.node_id)]

        still = wait_until(left, self.within_s, done=lambda found: not found, backoff_s=_POLL_S)
        led, now = counted(len(self.led), "partition"), len(self.led) - len(still)
        words = f"broker {self.node.node_id} led {led}, others lead {now}"
        return Proof(bool(self.led) and not still, f"{words} of them now")


def leading(cluster: Cluster, read: Read, within_s: float) -> LeadingBroker:
    """Return the broker that leads most of the partitions that `read` returns. Raises UsageError, KafkaException."""
    if not cluster.brokers:
        raise UsageError(f"the {cluster.name}'s brokers run on machines that are not the rehearsal's")
    leaders = {partition: each.leader for partition, each in read().items()}
    counts = Counter(leaders.values())
    node = max(cluster.brokers, key=lambda broker: counts[broker.node_id])
    return LeadingBroker(node, [p for p, leader in leaders.items() if leader == node.node_id], read, within_s)
