"""Restart a process in good order."""

from __future__ import annotations

from typing import Literal

from cutover_harness.faults.base import Injected, LastingFault
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.nodes import LEAVES_OPEN, ProcessNode, down


class Restart(LastingFault):
    """Stop a process with SIGTERM and start it again."""

    does = (
        "SIGTERM; started again `seconds` after it is down. "
        "If it did not shut down in good order, the evidence reports that it was killed"
    )
    proved_by = "it was down"
    leaves_open = LEAVES_OPEN

    kind: Literal["restart"]
    of: ProcessNode

    def inject(self, context: FaultContext) -> Injected:
        """Shut it down; it starts at the end."""
        node = context.nodes[self.of]()
        killed = node.stop()
        how = f" ({killed})" if killed else ""
        return Injected.proved(down(self.of, self.at, stopped=node.stopped(), how=how), node.restart)
