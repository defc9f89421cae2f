"""Kill a process without warning."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import ValidationInfo, field_validator

from cutover_harness.faults.base import Injected, LastingFault, Proof
from cutover_harness.faults.context import FaultContext, Killable
from cutover_harness.faults.nodes import LEAVES_OPEN, ProcessNode, down


class Kill(LastingFault):
    """Stop a process with SIGKILL and start it again."""

    does = (
        "SIGKILL, started again after `seconds`; the conductor resumes from its journal, and the path waits for it, "
        "so that it takes no `until`"
    )
    proved_by = "it was down"
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
            return Injected.proved(self._kill(node), node.restart)
        proof = self._kill(conductor)
        time.sleep(self.seconds)
        conductor.restart()
        return Injected.proved(proof)

    def _kill(self, victim: Killable) -> Proof:
        victim.kill()
        return down(self.of, self.at, stopped=victim.stopped())
