"""What a batch needs before its conductor starts: its route in the document, and clients that follow it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.reach import refuse_unreachable
from cutover_harness.conductor.statuses import status_on
from cutover_harness.cutover.connector_check import check_connectors, check_fence
from cutover_harness.cutover.expected import Expected, expected
from cutover_harness.cutover.routes import with_route
from cutover_harness.errors import UsageError
from cutover_harness.globs import matches
from cutover_harness.planning.model import PlannedBatch
from cutover_harness.procedure.client_status import StatusWatch
from cutover_harness.procedure.names import StepName
from cutover_harness.waits import wait_until

_POLL_S = 0.2


@dataclass(frozen=True)
class RouteChange:
    """The document before and after the batch's route is added."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def needed(self) -> bool:
        """Whether anything has to be written."""
        return self.before != self.after


def check_reach(config: ConductorConfig) -> tuple[Admin, Admin]:
    """Return source and target. Raises UsageError if one of them, or Connect, does not answer."""
    source, target = config.clusters("")
    refuse_unreachable({"source": source, "target": target}, [config.connect_url], [], access=config.access)
    return Admin(source), Admin(target)


def check_new(config: ConductorConfig) -> tuple[Admin, Admin]:
    """Return source and target for a batch that has not begun. Raises UsageError, also if a client cannot move so."""
    refuse_overlap(config)
    clusters = check_reach(config)
    check_connectors(config, *clusters)
    check_fence(config, clusters[0])
    return clusters


def refuse_overlap(config: ConductorConfig) -> None:
    """Raise UsageError for a path on which new members start next to old ones: nothing could prove who has joined."""
    if any(step.step == StepName.OVERLAP_CONSUMERS for step in config.steps):
        raise UsageError(
            f"batch {config.route}: its path has {StepName.OVERLAP_CONSUMERS}, which is rehearsed only: a run moves "
            "each client as a whole; choose in-process, restart or stop-first"
        )


def refuse_moved(writer: CutoverFileWriter, route: str) -> None:
    """Raise UsageError if clients of a route are not on the source, where a path begins: no journal shows why."""
    found = writer.routes.get(route)
    if found is not None and (found.producers, found.consumers) != ("source", "source"):
        raise UsageError(
            f"route {route} of the document has its producers on {found.producers} and its consumers on "
            f"{found.consumers}, and the run has no journal of it: restore the run's folder, or move the clients back "
            f"with kafka-cutover file set"
        )


def route_change(writer: CutoverFileWriter, batch: PlannedBatch, source: Admin) -> RouteChange:
    """Return what has to change in the document so that the batch has its route. Raises UsageError."""
    refuse_moved(writer, batch.name)
    try:
        topics = sorted(source.partitions())
    except KafkaException as why:
        raise UsageError(f"source: its topics cannot be listed: {why.args[0].str()}") from None
    mine = [topic for topic in topics if matches(topic, batch.topics)]
    moving = [topic for topic in mine if not matches(topic, batch.exclude)]
    if not moving:
        raise UsageError(f"batch {batch.name}: none of its topics is on the source: {', '.join(batch.topics)}")
    before = tomllib.loads(writer.document(writer.generation))
    return RouteChange(before, with_route(before, batch, [t for t in mine if t not in moving], moving))


def publish(writer: CutoverFileWriter, change: RouteChange) -> int:
    """Write the document with the batch's route to all channels; return its generation."""
    for name, route in change.after["routes"].items():
        writer.routes[name] = RouteLocations(route["topics"], route["groups"], route["producers"], route["consumers"])
    return writer.write()


def await_clients(config: ConductorConfig, batch: PlannedBatch, generation: int) -> Expected:
    """Wait until the clients of the plan report on the route at this generation, at most for the gates' deadline.

    Raises UsageError that names what contradicts the plan then.
    """
    watch = StatusWatch()
    with closing(config.open_statuses("")) as statuses:

        def look() -> Expected:
            contents = statuses.read()
            watch.look({name: status for name, each in contents.items() if (status := status_on(each, batch.name))})
            # Of a client that has died the last status stays.
            live = [each for name, each in contents.items() if watch.renews(name)]
            found = expected(batch, live)
            late = [
                f"{status.get('instance')} has not read generation {generation}"
                for status in live
                if status.get("instance") in found.clients and _seen(status) < generation
            ]
            unread = [] if (why := statuses.problem) is None else [f"{statuses.name}: {why}"]
            return Expected(found.clients, (*found.problems, *late, *unread))

        found = wait_until(look, batch.gates.deadline_s, done=lambda seen: not seen.problems, backoff_s=_POLL_S)
    if found.problems:
        raise UsageError(
            f"batch {batch.name}: the clients are not those of the plan: {'; '.join(found.problems)}; its route stays "
            f"in the document, with everything on the source, and the next run finds it"
        )
    return found


def _seen(status: Mapping[str, Any]) -> int:
    found = status.get("seen_generation")
    return found if isinstance(found, int) else -1
