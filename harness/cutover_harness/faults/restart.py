"""Restart a process in good order."""

from __future__ import annotations

from typing import Literal

from cutover_harness.faults.base import Injected
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.nodes import ProcessNode
from cutover_harness.faults.process_fault import PROVED_BY, ProcessFault


class Restart(ProcessFault):
    """Stop a process with SIGTERM and start it again."""

    does = (
        "SIGTERM; started again `seconds` after it is down. "
        "If it did not shut down in good order, the evidence reports that it was killed"
    )
    proved_by = f"it was down{PROVED_BY}"

    kind: Literal["restart"]
    of: ProcessNode

    def inject(self, context: FaultContext) -> Injected:
        """Shut it down; it starts at the end."""
        node = context.nodes[self.of]()
        killed = node.stop()
        how = f" ({killed})" if killed else ""
        return Injected(self.proof(node, how), node.restart)
