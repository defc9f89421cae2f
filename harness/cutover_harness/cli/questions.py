"""Questions of `kafka-cutover run` before its conductor starts."""

from __future__ import annotations

import sys

import typer

from cutover_harness.cutover.first_routes import command_of
from cutover_harness.cutover.preparation import RouteChange
from cutover_harness.errors import UsageError
from cutover_harness.planning.model import PlannedBatch
from cutover_harness.planning.read import ReadPlan


def show_route(change: RouteChange, plan: ReadPlan, batch: PlannedBatch) -> None:
    """Print the routes that the document of the clients gets, and how to add the batch's earlier."""
    routes = change.after["routes"]
    new = [name for name in routes if routes[name] != change.before["routes"].get(name)]
    typer.echo(f"the document of the clients gets {', '.join(f'route {name}' for name in new)}, on the source:")
    for name in new:
        groups = ", ".join(routes[name]["groups"]) or "none"
        typer.echo(f"  {name}: topics {', '.join(routes[name]['topics'])}; groups {groups}")
    if batch.name not in change.before["routes"]:
        typer.echo(
            f"note: a running client keeps its route, and has to be restarted to get this one; add it before the "
            f"clients start: {command_of(plan, batch)}"
        )


def confirm(question: str) -> None:
    """Raise UsageError unless a person at the terminal says yes."""
    if not sys.stdin.isatty():
        raise UsageError(
            "no terminal to confirm it: give --yes-until (create-task: for this question alone); nothing was changed"
        )
    if not typer.confirm(question):
        raise UsageError("not confirmed; nothing was changed")
