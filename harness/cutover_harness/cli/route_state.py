"""Where a route is, and what its run needs and costs, for `resume` and `rollback`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import typer
from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.conductor import cost as costs
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.reach import refuse_unreachable
from cutover_harness.conductor.resume import reached
from cutover_harness.conductor.standing import Standing, in_words
from cutover_harness.conductor.statuses import read_statuses
from cutover_harness.conductor.write_fence import refuse_without_rights
from cutover_harness.errors import UsageError
from cutover_harness.procedure import denials
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import STAGES, RouteState


def ready_clusters(standing: Standing, steps: list[StepName]) -> tuple[Admin, Admin]:
    """Return source and target. Raises UsageError if anything that `steps` need is missing."""
    standing.refuse_asks(steps)
    config = standing.config
    writer = standing.cutover_file
    source, target = config.clusters(writer.document(writer.generation))
    urls = [config.connect_url, *([config.reverse_connect_url] if config.reverse_connect_url else [])]
    try:
        refuse_unreachable({"source": source, "target": target}, urls, standing.entries, access=config.access)
    except UsageError as why:
        if not standing.is_rehearsal:
            raise
        raise UsageError(
            f"{standing.folder}: the brokers of this rehearsal are gone, as they end with it: rehearse again ({why})"
        ) from None
    standing.refuse_silence()
    makes = config.fence and StepName.STOP_PRODUCERS in steps and standing.state.producers == "source"
    if makes or denials.standing(standing.entries):  # no way back without a fence needs the right
        refuse_without_rights(config.route, config.fence, source)
    return Admin(source), Admin(target)


def cost_now(
    config: ConductorConfig, entries: Sequence[Entry], state: RouteState, document: str, clusters: tuple[Admin, Admin]
) -> costs.Now:
    """Return the current figures for the cost of a rollback; `document`: of the cutover file. Raises UsageError."""
    source, target = clusters
    try:
        unread = unread_now(config, source)
        native = native_now(config, entries, state, target)
    except KafkaException as why:
        raise UsageError(f"the cost cannot be read: {why.args[0].str()}") from None
    with closing(config.open_statuses(document)) as statuses:
        queued = costs.queued(read_statuses(statuses, config.route))
    return costs.Now(unread, native, queued)


def unread_now(config: ConductorConfig, source: Admin) -> dict[str, int]:
    """Return, by group, the records that it would read again on the source. Raises KafkaException."""
    topics = [topic for topic in source.partitions() if config.batch.mirrors(topic)]
    ends = source.end_offsets(topics)
    return {group: costs.unread(source.committed(group, topics), ends) for group in config.groups}


def native_now(config: ConductorConfig, entries: Sequence[Entry], state: RouteState, target: Admin) -> int | None:
    """Return how many records producers have written to the target; None if not known. Raises KafkaException."""
    if state.producers != "target":
        return 0
    topics = [topic for topic in target.partitions() if config.batch.mirrors(topic)]
    return costs.native(entries, target.end_offsets(topics))


def show(standing: Standing, steps: list[StepName], title: str) -> None:
    """Print the stage of the route, and these steps."""
    generation, route, stage = standing.cutover_file.generation, standing.route, standing.state.stage
    typer.echo(
        f"{standing.folder}: route {standing.config.route} at stage {stage}, {STAGES[stage]}; cutover file at "
        f"generation {generation}: producers on {route.producers}, consumers on {route.consumers}"
    )
    if fence := denials.standing(standing.entries):
        typer.echo(f"fence on the source: {denials.words(fence)}; it is removed before producers return")
    shown = costs.planned(steps, standing.config.route, generation, (route.producers, route.consumers))
    typer.echo("\n  ".join([f"{title}:", *(map(str, shown) if shown else ["none"])]))


def where(config: ConductorConfig) -> str:
    """Return the route's stage and locations in words."""
    try:
        stage = reached(inspect(config.journal, config.steps, config.groups)).stage
        route = config.peek(file_only=True).routes[config.route]
    except (UsageError, KeyError) as why:
        return f"its stage cannot be read ({why})"
    return in_words(stage, route)
