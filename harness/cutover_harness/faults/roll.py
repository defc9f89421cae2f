"""Restart all brokers of a cluster, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from cutover_harness.errors import UnavailableError
from cutover_harness.faults.base import Injected, Proof
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.layout import Layout
from cutover_harness.faults.nodes import SEVERAL
from cutover_harness.faults.of_several import FaultOfSeveral, awaited, whole
from cutover_harness.testbed.base import BrokerNode
from cutover_harness.types import ClusterName


class Roll(FaultOfSeveral):
    """Restart each broker in good order, the next one once all replicas are in sync."""

    does = (
        "each broker is stopped (SIGTERM) and started again, one after the other, each once all replicas are in sync, "
        "as in an upgrade; the path continues once the first one is down"
    )
    proved_by = "each was down, and all replicas were in sync after each"
    leaves_open: ClassVar[Mapping[str, str]] = {
        "source": "a rolling restart of the source",
        "target": "a rolling restart of the target",
    }

    kind: Literal["roll"]

    def inject(self, context: FaultContext) -> Injected:
        """Stop the first broker; the rest happens while the path continues."""
        cluster = context.cluster(self.of)
        if len(cluster.brokers) < SEVERAL:
            raise UnavailableError(f"{self.name} needs {SEVERAL} brokers")
        layout = Layout(cluster.client_config())
        first, *others = cluster.brokers
        was_down = {first.node_id: _stop(first)}

        def roll() -> Proof:
            for broker in (first, *others):
                if broker is not first:
                    was_down[broker.node_id] = _stop(broker)
                broker.restart()
                if not whole(awaited(layout, None, context.patience_s, whole)):
                    return Proof(held=False, evidence=f"replicas were not in sync after broker {broker.node_id}")
            return _proof(self.of, was_down)

        # It lasts until the proof is there.
        return Injected(roll, lambda: None)


def _stop(broker: BrokerNode) -> bool:
    broker.stop()
    return broker.stopped()


def _proof(of: ClusterName, was_down: Mapping[int, bool]) -> Proof:
    ran = [str(number) for number, down in was_down.items() if not down]
    if ran:
        return Proof(held=False, evidence=f"{of}: broker {', '.join(ran)} kept running")
    names = ", ".join(map(str, was_down))
    return Proof(held=True, evidence=f"{of}: brokers {names} were down one after the other, replicas in sync each time")
