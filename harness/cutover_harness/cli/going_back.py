"""What going back to the source costs before and after a step, and until when it is possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.cli.route_state import cost_now
from cutover_harness.conductor import cost as costs
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.errors import UsageError
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import RouteState
from cutover_harness.procedure.steps import step_of
from cutover_harness.watching.cluster_figures import with_retention
from cutover_harness.watching.facts import Figures
from cutover_harness.watching.limits import limits
from cutover_harness.watching.views import Limit


@dataclass(frozen=True)
class GoingBack:
    """The cost in words before and after a step. limits: until when. problem: why something of it is not known."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    problem: str | None = None

    def lines(self) -> list[str]:
        """Return it for a terminal."""
        found = [] if self.problem is None else [f"  going back: {self.problem}"]
        found += [f"  going back before it: {line}" for line in self.before]
        found += [f"  going back after it: {line}" for line in self.after]
        return found + [f"  going back is possible until {_time(limit.at)}: then {limit.what}" for limit in self.limits]

    def record(self) -> dict[str, Any]:
        """Return it for the audit log."""
        limits_ = [{"at": _time(limit.at), "what": limit.what} for limit in self.limits]
        return {"before": self.before, "after": self.after, "limits": limits_, "problem": self.problem}


def going_back(
    config: ConductorConfig,
    entries: Sequence[Entry],
    state: RouteState,
    document: str,
    clusters: tuple[Admin, Admin],
    step: StepName,
    window_h: float | None,
) -> GoingBack:
    """Read it. document: of the cutover file. window_h: the batch's rollback window, None if there is no plan."""
    try:
        now = cost_now(config, entries, state, document, clusters)
    except UsageError as why:
        return GoingBack(problem=str(why))
    before, after = (tuple(costs.cost(each, now)) for each in (state, step_of(step).after(state)))
    try:
        kept = with_retention(Figures(), config, clusters[0])
    except KafkaException as why:
        return GoingBack(before, after, problem=f"until when it is possible is not known: {why.args[0].str()}")
    return GoingBack(before, after, tuple(limits(entries, kept, state, window_h)))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
