"""The snapshot of a batch, from its facts. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from cutover_harness.cli.fleet_rows import fleet_of
from cutover_harness.conductor import cost as costs
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.journalled_gates import unapproved
from cutover_harness.conductor.resume import reached
from cutover_harness.conductor.statuses import status_on
from cutover_harness.procedure.client_status import missing
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import NO_WAY_BACK, RouteState
from cutover_harness.procedure.steps import step_of
from cutover_harness.types import Location, Role
from cutover_harness.watching.facts import BatchFacts
from cutover_harness.watching.step_views import step_views
from cutover_harness.watching.views import AskedView, BatchView, BlackoutView, LagView, Limit, RoleView, RollbackView

_HOUR_S = 3600.0
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
    limits = _limits(facts, state)
    possible = state.stage != NO_WAY_BACK
    return RollbackView(
        possible=possible,
        until=min((limit.at for limit in limits), default=None) if possible else None,
        limits=tuple(limits) if possible else (),
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


def _limits(facts: BatchFacts, state: RouteState) -> list[Limit]:
    """Return the moments after which a rollback is worse, or impossible, as far as they are known."""
    found, figures = [], facts.figures
    if (left := _left_source(facts.entries, "consumers")) is not None and state.consumers != "source":
        if figures.offsets_retention_s is not None:
            at = left + figures.offsets_retention_s
            found.append(Limit("the source removes the offsets of groups without members", at))
        if figures.retention_s is not None:
            at = left + figures.retention_s
            found.append(Limit(f"the source removes records of {figures.retention_topic} that groups would read", at))
    moved = [e.time_ns / 1e9 for e in facts.entries if e.kind == "done" and e.name == StepName.PRODUCERS_TO_TARGET]
    if moved and state.producers == "target" and facts.rollback_window_h is not None:
        found.append(Limit("the rollback window of the plan ends", moved[-1] + facts.rollback_window_h * _HOUR_S))
    return sorted(found, key=lambda limit: limit.at)


def _left_source(entries: Sequence[Entry], who: str) -> float | None:
    """Return when clients left the source for the last time."""
    left: float | None = None
    for entry in entries:
        step = step_of(entry.name) if entry.kind == "doing" else None
        if step is not None and step.moves == who:
            away = step.destination != "source"
            left = (left or entry.time_ns / 1e9) if away else None
    return left


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
