"""`kafka-cutover run --dry-run`: each step with exactly what it writes, without writing it."""

from __future__ import annotations

import json
import tomllib
from contextlib import closing

import typer

from cutover_harness.admin import Admin
from cutover_harness.cli.payloads import (
    print_connector_calls,
    print_connectors,
    print_fence,
    print_forgotten,
    print_offsets,
)
from cutover_harness.cli.route_state import cost_now
from cutover_harness.conductor import cost as costs
from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.resume import reached, remaining
from cutover_harness.conductor.standing import look
from cutover_harness.cutover.first_routes import command_of
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.cutover.preparation import check_new, check_reach, route_change
from cutover_harness.cutover.settings import config_of
from cutover_harness.planning.model import PlannedBatch
from cutover_harness.planning.read import ReadPlan
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.steps import step_of


def print_steps(
    plan: ReadPlan, batch: PlannedBatch, run: RunFolder, *, begun: bool, from_scratch: bool = False
) -> None:
    """Print the steps that are left of a batch.

    begun: whether its conductor has begun. from_scratch: whether what an earlier mirror has left is removed first.

    Raises UsageError as the run itself would.
    """
    begun = begun and bool(run.entries(batch.name))
    config = ConductorConfig.load(run.batch(batch.name) / CONFIG) if begun else config_of(plan, batch, run, {})
    clusters = check_reach(config) if begun else check_new(config)
    if from_scratch:
        print_forgotten(config)
    with closing(config.peek()) as writer:
        if begun:
            entries = list(look(run.batch(batch.name), also_running=True).entries)
        else:
            entries = []
            change = route_change(writer, batch, clusters[0])
            for name, route in change.after["routes"].items():
                if route != change.before["routes"].get(name):
                    typer.echo(f"document: route {name} is added, on the source: {json.dumps(route)}")
                    if name == batch.name and name not in change.before["routes"]:
                        typer.echo(f"  to add it before the clients start: {command_of(plan, batch)}")
                writer.routes[name] = RouteLocations(
                    route["topics"], route["groups"], route["producers"], route["consumers"]
                )
        state = reached(entries)
        now = cost_now(config, entries, state, writer.document(writer.generation), clusters)
        for _, planned in remaining(entries, config.steps):
            _print_step(planned.step, config, clusters, writer)
            state = step_of(planned.step).after(state)
            for line in costs.cost(state, now):
                typer.echo(f"  going back after it: {line}")


def _print_step(
    name: StepName, config: ConductorConfig, clusters: tuple[Admin, Admin], writer: CutoverFileWriter
) -> None:
    step, route = step_of(name), writer.routes[config.route]
    typer.echo(f"{name}: {step.does}" if step.does else f"{name}:")
    if step.waits_before:
        typer.echo(f"  waits before: {step.waits_before}")
    if name == StepName.CREATE_TASK:
        print_connectors(config)
    if name == StepName.SET_EXACT_OFFSETS:
        print_offsets(config, clusters[0])
    if step.moves is not None and step.destination is not None:
        if step.moves == "producers":
            route.producers = step.destination
        else:
            route.consumers = step.destination
        document = tomllib.loads(writer.document(0))["routes"]
        typer.echo(f"  writes to {', '.join([f'file:{config.cutover_file}', *config.channels])}:")
        typer.echo(f"    routes.{config.route} = {json.dumps(document[config.route])}")
        print_connector_calls(config, step.moves, step.destination)
    if name == StepName.STOP_PRODUCERS and config.fence:
        print_fence(config, clusters[0])
    if step.waits_after:
        typer.echo(f"  waits after: {step.waits_after}")
