"""Kill a process without warning."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import ValidationInfo, field_validator

from cutover_harness.faults.base import Injected
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.nodes import LEAVES_OPEN, ProcessNode
from cutover_harness.faults.process_fault import PROVED_BY, ProcessFault


class Kill(ProcessFault):
    """Stop a process with SIGKILL and start it again."""

    does = (
        "SIGKILL, started again after `seconds`; the conductor resumes from its journal, and the path waits for it, "
        "so that it takes no `until`"
    )
    proved_by = f"it was down{PROVED_BY}"
    leaves_open: ClassVar[Mapping[str, str]] = {
        **LEAVES_OPEN,
        "conductor": "a conductor that dies between two steps, and is resumed",
    }

    kind: Literal["kill"]
    of: Literal[ProcessNode, "conductor"]

    @field_validator("until")
    @classmethod
    def _path_waits(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("of") == "conductor":
            raise ValueError("the path waits while the conductor is down: leave until out")
        return value

    def inject(self, context: FaultContext) -> Injected:
        """Kill it; it starts at the end. The conductor starts before the path continues."""
        conductor = context.conductor
        if self.of != "conductor" or conductor is None:
            node = context.nodes[self.of]()
            node.kill()
            return Injected(self.proof(node), node.restart)
        conductor.kill()
        proof = self.proof(conductor)
        time.sleep(self.seconds)
        conductor.restart()
        return Injected(proof)
