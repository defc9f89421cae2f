"""The snapshot of a batch, from its facts. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from cutover_harness.cli.fleet_rows import fleet_of
from cutover_harness.conductor import cost as costs
from cutover_harness.conductor.journalled_gates import unapproved
from cutover_harness.conductor.resume import reached
from cutover_harness.conductor.statuses import status_on
from cutover_harness.procedure.client_status import missing
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import NO_WAY_BACK, RouteState
from cutover_harness.procedure.steps import step_of
from cutover_harness.types import Location, Role
from cutover_harness.watching.facts import BatchFacts
from cutover_harness.watching.limits import limits
from cutover_harness.watching.step_views import step_views
from cutover_harness.watching.views import AskedView, BatchView, BlackoutView, LagView, RoleView, RollbackView

_MOST_POINTS = 300


def batch_view(facts: BatchFacts, now: float) -> BatchView:
    """Return the snapshot of a batch at the time `now`."""
    state = reached(facts.entries)
    last = facts.lags[-1] if facts.lags else None
    problems = list(facts.figures.problems)
    if facts.statuses.problem is not None:
        problems.append(f"statuses: {facts.statuses.problem}")
    return BatchView(
        progress=facts.progress,
        steps=step_views(facts.entries, facts.config.steps if facts.config else (), facts.progress),
        clients=_clients(facts, state),
        blackouts=_blackouts(facts, now),
        lag=LagView(last[1] if last else None, last[0] if last else None, _thinned(facts.lags)),
        rollback=_rollback(facts, state),
        asked=_asked(facts, state),
        figures_at=facts.figures.at,
        problems=tuple(problems),
    )


def _clients(facts: BatchFacts, state: RouteState) -> tuple[RoleView, ...]:
    config = facts.config
    if config is None:
        return ()
    statuses = {
        name: found
        for name, content in facts.statuses.contents.items()
        if (found := status_on(content, config.route)) is not None
    }
    roles: tuple[tuple[Role, Location], ...] = (("producer", state.producers), ("consumer", state.consumers))
    views = []
    for role, place in roles:
        names = [name for name, its in config.clients.items() if its == role]
        absent = missing(statuses, names, place, 0)
        restarted = tuple(each.name for each in config.restarts if each.role == role)
        views.append(RoleView(role, place, len(names), len(names) - len(absent), tuple(absent), restarted))
    return tuple(views)


def _blackouts(facts: BatchFacts, now: float) -> tuple[BlackoutView, ...]:
    config = facts.config
    if config is None:
        return ()
    rows = fleet_of(facts.statuses.contents, facts.statuses.silent, route=config.route).rows
    found = []
    for role in ("producer", "consumer"):
        mine = [
            (row.client, row.blackout)
            for row in rows
            if row.role == role and row.route == config.route and row.standing != "ended" and row.blackout is not None
        ]
        lasts = [
            (max(0.0, now - each.last_at), client)
            for client, each in mine
            if each.first_at is None and each.last_at is not None
        ]
        over = [(each.seconds, client) for client, each in mine if each.seconds is not None]
        current, last = max(lasts, default=(None, None)), max(over, default=(None, None))
        found.append(BlackoutView(role, *current, *last))
    return tuple(found)


def _rollback(facts: BatchFacts, state: RouteState) -> RollbackView:
    figures = facts.figures
    found = limits(facts.entries, figures, state, facts.rollback_window_h)
    possible = state.stage != NO_WAY_BACK
    return RollbackView(
        possible=possible,
        until=min((limit.at for limit in found), default=None) if possible else None,
        limits=tuple(found) if possible else (),
        costs=_costs(facts, state),
        native=figures.native if state.producers == "target" else 0,
    )


def _costs(facts: BatchFacts, state: RouteState) -> tuple[str, ...]:
    if state.stage == NO_WAY_BACK:
        return ("the mirror is deleted: records that were written to the target since are not on the source",)
    figures = facts.figures
    now = costs.Now(figures.unread or {}, figures.native if state.producers == "target" else 0, _queued(facts))
    lines = list(costs.cost(state, now))
    if figures.unread is None and (state.consumers == "target" or state.overlap):
        lines.insert(0, "groups consume again what they have consumed on the target; how much is not known now")
    return tuple(lines)


def _queued(facts: BatchFacts) -> int:
    route = facts.config.route if facts.config else ""
    found = {name: status_on(content, route) for name, content in facts.statuses.contents.items()}
    return costs.queued({name: status for name, status in found.items() if status is not None})


def _asked(facts: BatchFacts, state: RouteState) -> AskedView | None:
    asked = unapproved(facts.entries)
    if asked is None or facts.config is None or not facts.progress.running:
        return None
    step = StepName(asked.detail["act"])
    places = (state.producers, state.consumers)
    does = costs.planned([step], facts.config.route, facts.generation, places)
    return AskedView(
        step=str(step),
        since=asked.time_ns / 1e9,
        does="; ".join(map(str, does)),
        before=_costs(facts, state),
        after=_costs(facts, step_of(step).after(state)),
        command=facts.command,
    )


def _thinned(points: Sequence[tuple[float, int]]) -> tuple[tuple[float, int], ...]:
    """Return at most so many of the points, the last one among them."""
    every = -(-len(points) // _MOST_POINTS) if points else 1
    return tuple(points[::-1][::every][::-1])
