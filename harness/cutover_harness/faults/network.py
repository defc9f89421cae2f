"""Faults of a node's network: off it, or on it with delay or loss. Only some testbeds can bring them about."""

# ruff: noqa: D102 - what they do is in their names
from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from cutover_harness.faults.proof import Proof
from cutover_harness.plan.fault import NETWORK, Fault
from cutover_harness.testbed.base import UnavailableError

__all__ = ["NETWORK", "Networked", "begin"]


@runtime_checkable
class Networked(Protocol):
    """A victim whose network can be worked on."""

    def disconnect(self) -> None: ...
    def reconnect(self) -> None: ...
    def disconnected(self) -> bool: ...
    def impair(self, delay_ms: int, loss_percent: float) -> str:
        """Return what the kernel says about the network now. Raises UnavailableError."""
        ...

    def heal(self) -> None: ...


def begin(fault: Fault, victim: object) -> tuple[Proof, Callable[[], None] | None]:
    """Inject a fault of the network; return whether it hit, and what ends it, None where it did not begin."""
    if not isinstance(victim, Networked):
        return Proof(False, f"unavailable: {fault.kind} needs a testbed of containers (--testbed docker)"), None
    if fault.kind == "disconnect":
        victim.disconnect()
        off = victim.disconnected()
        return Proof(off, f"{fault.of} was {'off' if off else 'still on'} the network at {fault.at}"), victim.reconnect
    try:
        said = victim.impair(
            fault.delay_ms if fault.kind == "delay" else 0, fault.loss_percent if fault.kind == "loss" else 0
        )
    except UnavailableError as why:
        return Proof(False, f"unavailable: {why}"), None
    # What tc shows where netem works has a line that begins so.
    return Proof("qdisc netem" in said, f"the kernel at {fault.at}: {' '.join(said.split())}"), victim.heal
