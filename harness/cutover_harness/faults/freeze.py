"""Freeze a process: it stops, and its connections stay open."""

from __future__ import annotations

from typing import Literal

from cutover_harness.faults.base import Injected
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.nodes import ProcessNode
from cutover_harness.faults.process_fault import PROVED_BY, ProcessFault


class Freeze(ProcessFault):
    """Stop a process with SIGSTOP and continue it with SIGCONT."""

    does = "SIGSTOP for `seconds`"
    proved_by = f"it was stopped{PROVED_BY}"

    kind: Literal["freeze"]
    of: ProcessNode

    def inject(self, context: FaultContext) -> Injected:
        """Freeze it; it thaws at the end."""
        node = context.nodes[self.of]()
        node.freeze()
        return Injected(self.proof(node), node.thaw)
