"""A fault of a process, or of one broker of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, get_args

from cutover_harness.faults.base import LastingFault, Proof
from cutover_harness.faults.nodes import LEAVES_OPEN, SEVERAL, OneBroker, down
from cutover_harness.faults.one_broker import LeadingBroker

PROVED_BY = "; of one broker of several: others lead what it led"


class ProcessFault(LastingFault):
    """A fault of a process. One broker of several stays away until others lead what it led, and `seconds` longer."""

    leaves_open: ClassVar[Mapping[str, str]] = LEAVES_OPEN

    @property
    def least_brokers(self) -> int:
        """How many brokers a cluster has to have: several if one of them is the victim."""
        return SEVERAL if self.of in get_args(OneBroker) else 1

    def proof(self, node: Any, how: str = "") -> Callable[[], Proof]:
        """Return the proof, read now, that `node` was stopped, and in time that others lead what it led."""
        was_down = down(self.of, self.at, stopped=node.stopped(), how=how)
        if not isinstance(node, LeadingBroker):
            return lambda: was_down

        def both() -> Proof:
            passed_on = node.passed_on()
            return Proof(was_down.held and passed_on.held, f"{was_down.evidence}; {passed_on.evidence}")

        return both
