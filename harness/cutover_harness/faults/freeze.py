"""Freeze a process: it stops, and its connections stay open."""

from __future__ import annotations

from typing import Literal

from cutover_harness.faults.base import Injected, LastingFault
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.nodes import LEAVES_OPEN, ProcessNode, down


class Freeze(LastingFault):
    """Stop a process with SIGSTOP and continue it with SIGCONT."""

    does = "SIGSTOP for `seconds`"
    proved_by = "it was stopped"
    leaves_open = LEAVES_OPEN

    kind: Literal["freeze"]
    of: ProcessNode

    def inject(self, context: FaultContext) -> Injected:
        """Freeze it; it thaws at the end."""
        node = context.nodes[self.of]()
        node.freeze()
        return Injected.proved(down(self.of, self.at, stopped=node.stopped()), node.thaw)
