"""Processes as victims: brokers, the Connect worker and instances of the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from cutover_harness.faults.base import Proof

NetworkNode = Literal["connect", "source", "target"]
OneBroker = Literal["source-broker", "target-broker"]
"""One broker of several: the one that leads most partitions when the fault is injected."""
Machine = Literal[NetworkNode, OneBroker]
"""Victims whose machine has to be the rehearsal's."""
ProcessNode = Literal[NetworkNode, OneBroker, "producer", "consumer"]
SEVERAL = 3
"""Brokers of a cluster that can lose one and accept writes with `min.insync.replicas` 2."""

LEAVES_OPEN: Mapping[str, str] = {
    "connect": "a Connect worker that dies or hangs while the mirror works",
    "source": "a source broker that fails half-way",
    "target": "a target broker that fails half-way (AutoMQ after SIGKILL took about 23 s to acknowledge again)",
    "source-broker": "one of several source brokers that fails: leaders and coordinators move",
    "target-broker": "one of several target brokers that fails: leaders and coordinators move",
    "producer": "an application that dies while it holds records",
    "consumer": "a member that dies during the switch, and the rebalance that follows",
}


def down(of: str, at: str, *, stopped: bool, how: str = "") -> Proof:
    """Return the proof that a process was stopped by a signal; `how`: what else is known about it."""
    return Proof(stopped, f"{of} {'was down' if stopped else 'kept running'} at {at}{how}")
