"""Processes as victims: brokers, the Connect worker and instances of the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from cutover_harness.faults.base import Proof

NetworkNode = Literal["connect", "source", "target"]
ProcessNode = Literal["connect", "source", "target", "producer", "consumer"]

LEAVES_OPEN: Mapping[str, str] = {
    "connect": "a Connect worker that dies or hangs while the mirror works",
    "source": "a source broker that fails half-way",
    "target": "a target broker that fails half-way (AutoMQ after SIGKILL took about 23 s to acknowledge again)",
    "producer": "an application that dies while it holds records",
    "consumer": "a member that dies during the switch, and the rebalance that follows",
}


def down(of: str, at: str, *, stopped: bool, how: str = "") -> Proof:
    """Return the proof that a process was stopped by a signal; `how`: what else is known about it."""
    return Proof(stopped, f"{of} {'was down' if stopped else 'kept running'} at {at}{how}")
