"""Lose a part of what a node sends."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cutover_harness.faults.base import Injected
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.network import PROVED_BY_KERNEL, NetworkFault
from cutover_harness.faults.nodes import LEAVES_OPEN, NetworkNode


class Loss(NetworkFault):
    """Lose a part of the packets that a container sends."""

    does = "`loss_percent` of its packets are lost for `seconds`; needs a testbed of containers and netem in the kernel"
    proved_by = PROVED_BY_KERNEL
    leaves_open = LEAVES_OPEN

    kind: Literal["loss"]
    of: NetworkNode
    loss_percent: float = Field(default=10, gt=0, le=100, description="Packets that are lost, in percent.")

    def inject(self, context: FaultContext) -> Injected:
        """Lose packets until the end."""
        return self.impair(self.networked(context), loss_percent=self.loss_percent)
