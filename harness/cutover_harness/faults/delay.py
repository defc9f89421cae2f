"""Delay what a node sends."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cutover_harness.faults.base import Injected
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.network import PROVED_BY_KERNEL, NetworkFault
from cutover_harness.faults.nodes import LEAVES_OPEN, NetworkNode


class Delay(NetworkFault):
    """Delay what a container sends."""

    does = "what it sends is delayed by `delay_ms` for `seconds`; needs a testbed of containers and netem in the kernel"
    proved_by = PROVED_BY_KERNEL
    leaves_open = LEAVES_OPEN

    kind: Literal["delay"]
    of: NetworkNode
    delay_ms: int = Field(default=250, gt=0, le=60_000, description="Delay in milliseconds.")

    def inject(self, context: FaultContext) -> Injected:
        """Delay what it sends until the end."""
        return self.impair(self.networked(context), delay_ms=self.delay_ms)
