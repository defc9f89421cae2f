"""Connectors of Kafka Connect that move with a batch: what proves that they are stopped, prepared and running.

A connector is stopped by REST, its Connect cluster is pointed to the other cluster (or another one works there), and
it is created stopped, gets the offsets that it had, and is resumed. A sink connector's offsets are those of its group.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.types import ClusterName, Role
from cutover_harness.words import counted

Offset = tuple[Mapping[str, Any], Mapping[str, Any] | None]
"""A source connector's own partition and offset."""


@dataclass(frozen=True)
class MovedConnector:
    """A connector that moves with a batch.

    client: the group or producer of the plan. cluster: its Connect cluster in the plan. repointed: whether that one is
    pointed to the other cluster, with all its connectors; otherwise another one works there. within_s: how long
    stopping it, or starting it on the other cluster, may take.
    """

    name: str
    client: str
    role: Role
    cluster: str
    repointed: bool
    within_s: float


@dataclass(frozen=True)
class ConnectorState:
    """What Connect reports of a connector; state: None if there is no such connector. failure: of a FAILED task."""

    state: str | None
    tasks: tuple[str, ...] = ()
    failure: str | None = None

    def __str__(self) -> str:
        """Return it in words."""
        if self.state is None:
            return "not there"
        counts = ", ".join(f"{self.tasks.count(state)} {state}" for state in sorted(set(self.tasks)))
        return f"{self.state}; tasks: {counts or 'none'}" + (f" ({self.failure})" if self.failure else "")


@dataclass(frozen=True)
class Kept:
    """What the run keeps of a connector.

    home: the cluster on which it has run last. tasks: how many it had there. complete: whether its configuration and
    offsets were read after it had stopped there.
    """

    home: ClusterName = "source"
    tasks: int = 0
    complete: bool = False
    offsets: Sequence[Offset] = ()


class ConnectLike(Protocol):
    """Connect clusters of the batch's connectors. Each method repeats without harm."""

    def elsewhere(self, connector: MovedConnector, place: ClusterName) -> str | None:
        """Return, in words, where the Connect cluster for `place` works if not there; None if it does."""
        ...

    def state(self, connector: MovedConnector, place: ClusterName) -> ConnectorState:
        """Return what the Connect cluster for `place` reports of a connector."""
        ...

    def offsets(self, connector: MovedConnector, place: ClusterName) -> Sequence[Offset]:
        """Return the offsets that a source connector has stored there."""
        ...

    def kept(self, connector: MovedConnector) -> Kept:
        """Return what the run keeps of a connector."""
        ...

    def stop(self, connector: MovedConnector) -> None:
        """Request that a connector stops where it has run last, if its Connect cluster still works there."""
        ...

    def keep(self, connector: MovedConnector) -> None:
        """Keep configuration and offsets of a stopped connector in the run, under the same condition."""
        ...

    def prepare(self, connector: MovedConnector, place: ClusterName, *, carried: bool) -> None:
        """Create the connector, stopped, and set the offsets that it had if they are `carried` over."""
        ...

    def resume(self, connector: MovedConnector, place: ClusterName) -> None:
        """Resume a prepared connector: its home is `place` from then on."""
        ...


@dataclass(frozen=True)
class Connectors:
    """The connectors of a batch, and their Connect clusters."""

    every: Sequence[MovedConnector]
    connect: ConnectLike

    def of(self, role: Role) -> list[MovedConnector]:
        """Return the connectors of one role."""
        return [each for each in self.every if each.role == role]

    def moving_along(self, role: Role) -> list[MovedConnector]:
        """Return the connectors of the other role whose Connect cluster moves with those of `role`."""
        clusters = {each.cluster for each in self.of(role) if each.repointed}
        return [each for each in self.every if each.role != role and each.cluster in clusters]


def leaves(connect: ConnectLike, connector: MovedConnector, place: ClusterName | None) -> bool:
    """Whether a connector has to stop before it can run on `place`; None: wherever it ran last.

    Not if it ran there last, nor if its Connect cluster works there already: then it does not run elsewhere.
    """
    if place is None:
        return True
    if connect.kept(connector).home == place:
        return False
    return not connector.repointed or connect.elsewhere(connector, place) is not None


def stopped(connect: ConnectLike, connectors: Sequence[MovedConnector], for_place: ClusterName | None = None) -> Gate:
    """Return the gate that is open once connectors have stopped on the cluster on which they ran last.

    for_place: only those that have to before they can run there.
    """

    def read() -> Reading:
        waits: list[str] = []
        evidence: list[str] = []
        for each in connectors:
            if not leaves(connect, each, for_place):
                evidence.append(f"connector {each.name} does not run elsewhere than on {for_place}")
                continue
            home, kept = connect.kept(each).home, connect.kept(each).complete
            away = connect.elsewhere(each, home)
            why, proof = judge_stopped(each, connect.state(each, home), away, home, kept=kept)
            (evidence if why is None else waits).append(why or proof)
        return Reading(
            open=not waits,
            waits_for="; ".join(waits),
            evidence="; ".join(dict.fromkeys(evidence)),
            left=len(waits),
        )

    return Gate("connectors stopped", read, within(connectors))


def judge_stopped(
    connector: MovedConnector, state: ConnectorState, away: str | None, home: ClusterName, *, kept: bool
) -> tuple[str | None, str]:
    """Return why a connector does not count as stopped, None if it does, and the evidence.

    state: what its Connect cluster reports now. away: where that one works if not on `home`, on which the connector ran
    last. kept: whether its offsets were read after it had stopped there.
    """
    name, stopped_now = connector.name, state.state == "STOPPED" and not state.tasks
    if away is not None:
        if not kept:
            return (
                f"Connect {connector.cluster} {away}, before the offsets of connector {name} were read: point it back "
                f"to {home}"
            ), ""
        if state.state is not None and not stopped_now:
            return f"connector {name} is {state}, on a Connect cluster that {away}: stop it", ""
        return None, f"connector {name} was stopped on {home}, and has not run since"
    if state.state is None:
        return f"connector {name} is not on Connect {connector.cluster}: create it again, stopped", ""
    if not stopped_now:
        return f"connector {name} on {home} is {state}", ""
    return None, f"connector {name} on {home} is {state}"


def works_on(connect: ConnectLike, connectors: Sequence[MovedConnector], place: ClusterName) -> Gate:
    """Return the gate that is open once the Connect clusters of these connectors work on `place`."""

    def read() -> Reading:
        found = {each.cluster: connect.elsewhere(each, place) for each in connectors}
        waits = [
            f"Connect {name} {away}: restart its workers with the bootstrap.servers of {place}"
            for name, away in found.items()
            if away is not None
        ]
        return Reading(
            open=not waits,
            waits_for="; ".join(waits),
            evidence="; ".join(f"Connect {name} works on {place}, by the cluster's id" for name in found),
            left=len(waits),
        )

    return Gate(f"Connect works on {place}", read, within(connectors))


def prepared(connect: ConnectLike, connectors: Sequence[MovedConnector], place: ClusterName, *, carried: bool) -> Gate:
    """Return the gate that is open once connectors wait on `place`, stopped, with the offsets that they had."""

    def read() -> Reading:
        waits: list[str] = []
        evidence: list[str] = []
        for each in connectors:
            kept = connect.kept(each)
            if kept.home == place:  # it never left, or was resumed here by a conductor that was killed
                evidence.append(f"connector {each.name} has kept its offsets on {place}")
                continue
            source, state = carried and each.role == "producer", connect.state(each, place)
            wrong = None
            if state.state != "STOPPED" or state.tasks:
                wrong = f"is {state}"
            elif source:
                wrong = differing(kept.offsets, connect.offsets(each, place))
            if wrong is not None:
                waits.append(f"connector {each.name} on {place} {wrong}")
            elif source:
                evidence.append(f"connector {each.name} has its {counted(len(kept.offsets), 'offset')}")
            elif each.role == "producer":
                evidence.append(f"connector {each.name} has its earlier offsets on {place}")
            else:
                evidence.append(f"connector {each.name} resumes at the offsets of group {each.client}")
        return Reading(open=not waits, waits_for="; ".join(waits), evidence="; ".join(evidence), left=len(waits))

    return Gate(f"connectors prepared on {place}", read, within(connectors))


def differing(wanted: Sequence[Offset], found: Sequence[Offset]) -> str | None:
    """Return how stored offsets differ from those that are wanted, None if they do not. Values are not shown."""
    here, there = _by_partition(wanted), _by_partition(found)
    if here == there:
        return None
    missing, extra = len(here.keys() - there.keys()), len(there.keys() - here.keys())
    other = sum(there[key] != value for key, value in here.items() if key in there)
    return f"has other offsets: of {len(here)}, {missing} missing, {other} different, {extra} more"


def _by_partition(offsets: Sequence[Offset]) -> dict[str, Any]:
    return {json.dumps(partition, sort_keys=True): dict(at) for partition, at in offsets if at is not None}


def patch(wanted: Sequence[Offset], found: Sequence[Offset]) -> list[Offset]:
    """Return what sets the stored offsets to those that are wanted: partitions that are too many get none."""
    here = _by_partition(wanted)
    extra = [(partition, None) for partition, _ in found if json.dumps(partition, sort_keys=True) not in here]
    return [*((partition, at) for partition, at in wanted if at is not None), *extra]


def running(connect: ConnectLike, connectors: Sequence[MovedConnector], place: ClusterName) -> Gate:
    """Return the gate that is open once connectors run on `place`, with at least the tasks that they had."""

    def read() -> Reading:
        waits: list[str] = []
        evidence: list[str] = []
        for each in connectors:
            why, proof = judge_running(each, connect.state(each, place), connect.kept(each).tasks, place)
            (evidence if why is None else waits).append(why or proof)
        return Reading(open=not waits, waits_for="; ".join(waits), evidence="; ".join(evidence), left=len(waits))

    return Gate(f"connectors run on {place}", read, within(connectors))


def judge_running(
    connector: MovedConnector, state: ConnectorState, tasks: int, place: ClusterName
) -> tuple[str | None, str]:
    """Return why a connector does not count as running, None if it does, and the evidence. tasks: how many it had."""
    least = max(1, tasks)
    if state.state != "RUNNING" or len(state.tasks) < least or set(state.tasks) != {"RUNNING"}:
        return f"connector {connector.name} on {place} is {state}, and needs {least} RUNNING", ""
    return None, f"connector {connector.name} on {place} is {state}"


def within(connectors: Sequence[MovedConnector]) -> float:
    """Return how long a gate of these connectors may take."""
    return max((each.within_s for each in connectors), default=0.0)
