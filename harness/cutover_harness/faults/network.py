"""Nodes whose network can be broken; only testbeds of containers have them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from cutover_harness.errors import UnavailableError
from cutover_harness.faults.base import Injected, LastingFault, Proof
from cutover_harness.faults.context import FaultContext

PROVED_BY_KERNEL = "the kernel lists netem (`tc qdisc`)"


@runtime_checkable
class Networked(Protocol):
    """A node whose network can be broken."""

    def disconnect(self) -> None:
        """Take it off the network."""
        ...

    def reconnect(self) -> None:
        """Put it back on the network."""
        ...

    def disconnected(self) -> bool:
        """Return whether it is off the network."""
        ...

    def impair(self, delay_ms: int, loss_percent: float) -> str:
        """Delay or drop what it sends; return the kernel's queueing disciplines. Raises UnavailableError."""
        ...

    def heal(self) -> None:
        """End the delay or the loss."""
        ...


class NetworkFault(LastingFault):
    """A fault of a node's network."""

    def networked(self, context: FaultContext) -> Networked:
        """Return the victim. Raises UnavailableError if its network cannot be broken."""
        node = context.nodes[self.of]()
        if not isinstance(node, Networked):
            raise UnavailableError(f"{self.kind} needs a testbed of containers (--testbed docker)")
        return node

    def impair(self, node: Networked, *, delay_ms: int = 0, loss_percent: float = 0) -> Injected:
        """Impair what `node` sends until the fault ends. Raises UnavailableError."""
        listed = node.impair(delay_ms, loss_percent)
        # If netem works, tc lists a line that begins like this.
        hit = "qdisc netem" in listed
        return Injected.proved(Proof(hit, f"the kernel at {self.at}: {' '.join(listed.split())}"), node.heal)
