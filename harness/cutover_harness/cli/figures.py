"""What a person is shown before a step is approved: what it does, where clients are, what going back costs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

from cutover_harness.admin import Admin
from cutover_harness.cli.going_back import GoingBack, going_back
from cutover_harness.conductor import cost as costs
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.resume import reached
from cutover_harness.conductor.statuses import read_statuses
from cutover_harness.errors import UsageError
from cutover_harness.procedure.client_status import missing
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import RouteState
from cutover_harness.types import Location, Role


@dataclass(frozen=True)
class Shown:
    """What a person is shown before a step. now: what it does, and where everything is."""

    now: tuple[str, ...]
    back: GoingBack = field(default_factory=GoingBack)

    def lines(self) -> list[str]:
        """Return it for a terminal."""
        return [*self.now, *self.back.lines()]


def figures(
    config: ConductorConfig, clusters: tuple[Admin, Admin], step: StepName, window_h: float | None = None
) -> Shown:
    """Return what to show before `step`; what cannot be read has its reason.

    window_h: the batch's rollback window, None if there is no plan.
    """
    try:
        entries = inspect(config.journal, config.steps, config.groups)
        written = config.peek(file_only=True)
        route = written.routes[config.route]
    except (UsageError, KeyError) as why:
        return Shown((f"{step}: the run cannot be read: {why}",))
    state = reached(entries)
    planned = costs.planned([step], config.route, written.generation, (route.producers, route.consumers))
    lines = [f"{each}" for each in planned]
    lines += [f"  now: {line}" for line in standing_of(config, state, written.document(0))]
    lines += [f"  now: {line}" for line in _lag(entries)]
    document = written.document(written.generation)
    return Shown(tuple(lines), going_back(config, entries, state, document, clusters, step, window_h))


def standing_of(config: ConductorConfig, state: RouteState, document: str) -> list[str]:
    """Return which clients attest the locations of `state`, and which do not."""
    lines = []
    places: tuple[tuple[Role, Location], ...] = (("producer", state.producers), ("consumer", state.consumers))
    try:
        with closing(config.open_statuses(document)) as source:
            statuses = read_statuses(source, config.route)
            problem = source.problem
    except UsageError as why:
        return [f"statuses cannot be read: {why}"]
    for role, place in places:
        names = [name for name, its in config.clients.items() if its == role]
        if not names:  # they are moved by a restart, and report nothing
            continue
        absent = missing(statuses, names, place, 0)
        words = f"{len(names) - len(absent)} of {len(names)} {role}s are on {place}"
        lines.append(words + ("; " + "; ".join(absent) if absent else ""))
    return lines if problem is None else [*lines, f"statuses: {problem}"]


def _lag(entries: Sequence[Entry]) -> list[str]:
    """Return the last reading of the mirror lag in the journal."""
    found = [e for e in entries if e.kind in ("gate", "waits") and e.name.startswith("mirror ")]
    if not found:
        return []
    last = found[-1]
    return [f"{last.name}: {last.detail.get('evidence') or last.detail.get('waits_for')}"]
