"""Take a node off the network."""

from __future__ import annotations

from typing import Literal

from cutover_harness.faults.base import Injected, Proof
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.network import NetworkFault
from cutover_harness.faults.nodes import LEAVES_OPEN, NetworkNode


class Disconnect(NetworkFault):
    """Take a container off the network."""

    does = "it is off the network for `seconds`; needs a testbed of containers"
    proved_by = "the container is on no network"
    leaves_open = LEAVES_OPEN

    kind: Literal["disconnect"]
    of: NetworkNode

    def inject(self, context: FaultContext) -> Injected:
        """Disconnect it; it is reconnected at the end."""
        node = self.networked(context)
        node.disconnect()
        off = node.disconnected()
        proof = Proof(off, f"{self.of} was {'off' if off else 'still on'} the network at {self.at}")
        return Injected.proved(proof, node.reconnect)
