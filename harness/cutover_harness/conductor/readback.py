"""Read-back of a run's result from clients, cutover file and mirror, not from the journal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing

from confluent_kafka import KafkaException
from cutover_shim.cutover_file import CutoverFileError

from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.findings import ReadBack
from cutover_harness.conductor.readback_restarted import read_back_restarted
from cutover_harness.conductor.statuses import StatusSource, read_statuses
from cutover_harness.errors import UsageError
from cutover_harness.mirror.connect_rest import Connect, Status
from cutover_harness.procedure.client_status import ClientStatus, StatusWatch, joined_later
from cutover_harness.procedure.protocols import ClusterLike
from cutover_harness.procedure.state import RouteState
from cutover_harness.types import Location, Role
from cutover_harness.waits import wait_until
from cutover_harness.words import counted

_WAIT_S = 5.0
_POLL_S = 0.2


def read_back(config: ConductorConfig, state: RouteState, clusters: Mapping[Location, ClusterLike]) -> ReadBack:
    """Return whether clients, cutover file and mirror confirm that the route is in `state`.

    Clients renew their statuses once a second, so contradictions and unknowns are read again for a few seconds.
    """
    watch = StatusWatch()
    try:
        written = config.peek(file_only=True)
        source = config.open_statuses(written.document(written.generation))
    except (UsageError, CutoverFileError) as why:
        return ReadBack(unknown=[str(why)])
    with closing(source) as statuses:
        found = wait_until(
            lambda: _look(config, state, clusters, statuses, watch),
            _WAIT_S,
            done=lambda found: not found.wrong and not found.unknown,
            backoff_s=_POLL_S,
        )
    if config.channels:
        found.add(_channels(config))
    if config.restarts:
        found.add(
            read_back_restarted(
                config.restarts, state, clusters, lambda: _topics(config, clusters), config.gates.quiet_s
            )
        )
    return found


def _look(
    config: ConductorConfig,
    state: RouteState,
    clusters: Mapping[Location, ClusterLike],
    source: StatusSource,
    watch: StatusWatch,
) -> ReadBack:
    found = ReadBack()
    try:
        written = config.peek(file_only=True)
    except UsageError as why:
        found.unknown.append(str(why))
        return found
    route = written.routes.get(config.route)
    places = None if route is None else (route.producers, route.consumers)
    if places != (state.producers, state.consumers):
        found.wrong.append(
            f"the cutover file points producers and consumers to {places}, not to {(state.producers, state.consumers)}"
        )
    if config.members is None:
        statuses = read_statuses(source, config.route)
        if source.problem is not None:
            found.unknown.append(f"{source.name}: {source.problem}")
        watch.look(statuses)
        others = {each.role for each in config.restarts}
        found.add(clients(statuses, config.clients, state, written.generation, watch, others))
    else:
        found.add(_members(config.members, state, clusters))
    found.add(_mirror(config, state))
    return found


def _topics(config: ConductorConfig, clusters: Mapping[Location, ClusterLike]) -> list[str]:
    return [topic for topic in clusters["source"].partitions() if config.batch.mirrors(topic)]


def _channels(config: ConductorConfig) -> ReadBack:
    """Return whether all channels have the document with the highest generation."""
    try:
        with closing(config.peek()) as written:
            generation, lacking = written.generation, written.publisher.lacking()
    except UsageError as why:
        return ReadBack(unknown=[str(why)])
    if lacking:
        return ReadBack(unknown=[f"generation {generation} is not there: {each}" for each in lacking])
    return ReadBack(proved=[f"the cutover file and {', '.join(config.channels)} have generation {generation}"])


def clients(
    statuses: Mapping[str, ClientStatus],
    expected: Mapping[str, Role],
    state: RouteState,
    generation: int,
    watch: StatusWatch,
    others: Collection[Role] = (),
) -> ReadBack:
    """Return whether every client attests its location at this generation, in a status that it renews.

    others: roles that have clients without the shim, so that none has to report.
    """
    found = ReadBack()
    roles: tuple[tuple[Role, Location], ...] = (("producer", state.producers), ("consumer", state.consumers))
    for role, place in roles:
        names = [name for name, its in expected.items() if its == role]
        everyone = [*names, *joined_later(statuses, role, names, watch)]
        fresh = 0
        for name in everyone:
            status = statuses.get(name)
            if status is None:
                found.unknown.append(f"{name} has written no status")
            elif not status.attests(place, generation):
                found.wrong.append(
                    f"{status.describe(watch.silent_s(name))}, not on {place} at generation {generation}"
                )
            elif not watch.renews(name):
                found.unknown.append(f"{name} has not renewed its status for {watch.silent_s(name):.0f} s")
            else:
                fresh += 1
        if not everyone and role not in others:
            found.unknown.append(f"no {role} reports on the route")
        elif everyone and fresh == len(everyone):
            found.proved.append(f"all {fresh} {role}s attest {place} at generation {generation}")
    return found


def _members(members: Mapping[str, int], state: RouteState, clusters: Mapping[Location, ClusterLike]) -> ReadBack:
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
        words = f"{group} has {there} of {counted(count, 'member')} on {state.consumers}"
        (found.proved if there >= count else found.wrong).append(words)
    return found


def _mirror(config: ConductorConfig, state: RouteState) -> ReadBack:
    batch = config.batch
    back = batch.reverse.source_connector
    asked = {config.connect_url: list(batch.connectors)}
    asked.setdefault(config.reverse_connect_url or config.connect_url, []).append(back)
    there: dict[str, Status | None] = {}
    for url, names in asked.items():
        client = Connect(url, access=config.access)
        try:
            for name in names:
                there[name] = client.status(name)
        except UsageError as why:
            return ReadBack(unknown=[str(why)])
        finally:
            client.close()
    return mirror(there, state, batch.source_connector, back)


def mirror(there: Mapping[str, Status | None], state: RouteState, forward: str, back: str) -> ReadBack:
    """Return whether the connectors are as they must be: none without a mirror, otherwise the copying one runs."""
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
