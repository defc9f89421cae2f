"""Reading back what a run claims to have done: clients, cutover file and mirror are asked, not the journal."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from cutover_harness.conductor.pointer import PointerFile
from cutover_harness.conductor.process import ConductorConfig
from cutover_harness.conductor.protocols import ClusterLike
from cutover_harness.conductor.statuses import SILENT_AFTER_S, ClientStatus, Role, joined_later, read_statuses
from cutover_harness.errors import UsageError
from cutover_harness.mirror.connect_rest import Connect, Status
from cutover_harness.plan.path import Place, RouteState

_WAIT_S = 5.0
_POLL_S = 0.2


@dataclass(frozen=True)
class ReadBack:
    """`wrong` contradicts what was claimed; `unknown` could not be read, so it proves nothing; `proved` holds."""

    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    proved: list[str] = field(default_factory=list)

    def add(self, other: ReadBack) -> None:
        """Take over what the other one found."""
        self.wrong.extend(other.wrong)
        self.unknown.extend(other.unknown)
        self.proved.extend(other.proved)


def read_back(config: ConductorConfig, state: RouteState, clusters: Mapping[Place, ClusterLike]) -> ReadBack:
    """Return what clients, cutover file and mirror say about the route being in `state`.

    Clients renew their statuses once a second; what contradicts is looked at again for a few seconds.
    """
    deadline = time.monotonic() + _WAIT_S
    while True:
        found = _look(config, state, clusters)
        if not found.wrong and not found.unknown:
            return found
        if time.monotonic() >= deadline:
            return found
        time.sleep(_POLL_S)


def _look(config: ConductorConfig, state: RouteState, clusters: Mapping[Place, ClusterLike]) -> ReadBack:
    found = ReadBack()
    try:
        pointer = PointerFile.peek(config.cutover_file)
    except UsageError as why:
        found.unknown.append(str(why))
        return found
    route = pointer.routes.get(config.route)
    places = None if route is None else (route.producers, route.consumers)
    if places != (state.producers, state.consumers):
        found.wrong.append(
            f"the cutover file points producers and consumers to {places}, not to {(state.producers, state.consumers)}"
        )
    if config.members is None:
        statuses = read_statuses(config.statuses, config.route)
        found.add(clients(statuses, config.clients, state, pointer.generation, time.time()))
    else:
        found.add(_members(config.members, state, clusters))
    found.add(_mirror(config, state))
    return found


def clients(
    statuses: Mapping[str, ClientStatus],
    expected: Mapping[str, Role],
    state: RouteState,
    generation: int,
    now: float,
) -> ReadBack:
    """Return whether every client attests its location at this generation, in a status that is fresh."""
    found = ReadBack()
    roles: tuple[tuple[Role, Place], ...] = (("producer", state.producers), ("consumer", state.consumers))
    for role, place in roles:
        names = [name for name, its in expected.items() if its == role]
        everyone = [*names, *joined_later(statuses, role, names, now)]
        fresh = 0
        for name in everyone:
            status = statuses.get(name)
            if status is None:
                found.unknown.append(f"{name} has written no status")
            elif not status.attests(place, generation):
                found.wrong.append(f"{status.describe(now)}, not on {place} at generation {generation}")
            elif now - status.updated > SILENT_AFTER_S:
                found.unknown.append(f"{name} is silent for {now - status.updated:.0f} s")
            else:
                fresh += 1
        if not everyone:
            found.unknown.append(f"no {role} reports on the route")
        elif fresh == len(everyone):
            found.proved.append(f"all {fresh} {role}s attest {place} at generation {generation}")
    return found


def _members(members: Mapping[str, int], state: RouteState, clusters: Mapping[Place, ClusterLike]) -> ReadBack:
    found = ReadBack()
    if state.consumers == "hold":
        found.unknown.append("consumers are stopped")
        return found
    for group, count in members.items():
        try:
            there = clusters[state.consumers].members(group)
        except (KafkaException, UsageError) as why:
            found.unknown.append(f"{group}: {' '.join(str(why).split())}")
            continue
        words = f"{group} has {there} of {count} members on {state.consumers}"
        (found.proved if there >= count else found.wrong).append(words)
    return found


def _mirror(config: ConductorConfig, state: RouteState) -> ReadBack:
    batch = config.batch
    back = batch.reverse.source_connector
    asked = {config.connect_url: list(batch.connectors)}
    asked.setdefault(config.reverse_connect_url or config.connect_url, []).append(back)
    there: dict[str, Status | None] = {}
    for url, names in asked.items():
        client = Connect(url)
        try:
            for name in names:
                there[name] = client.status(name)
        except UsageError as why:
            return ReadBack(unknown=[str(why)])
        finally:
            client.close()
    return mirror(there, state, batch.source_connector, back)


def mirror(there: Mapping[str, Status | None], state: RouteState, forward: str, back: str) -> ReadBack:
    """Return whether the connectors are as they have to be: none without a task, else the one that copies runs."""
    existing: Sequence[str] = [name for name, status in there.items() if status is not None]
    if state.task in ("none", "deleted"):
        if existing:
            return ReadBack(wrong=[f"connector {name} is still there" for name in existing])
        return ReadBack(proved=["Connect has none of the mirror's connectors"])
    name = back if state.reverse and state.producers != "hold" else forward
    status = there.get(name)
    states = [] if status is None else [status.connector, *status.tasks]
    if status is None or set(states) != {"RUNNING"}:
        return ReadBack(wrong=[f"connector {name} is {', '.join(states) or 'not there'}, not RUNNING"])
    return ReadBack(proved=[f"connector {name} runs"])
