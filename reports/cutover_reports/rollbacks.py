"""Rollback cards: the cost of a rollback at each stage, measured and documented, and until when it is possible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cutover_harness.judge.totals import NOT_REHEARSED, longest, worst
from cutover_harness.procedure.state import STAGES

from cutover_reports import words
from cutover_reports.model import PlanReference, RollbackCard, Scenario
from cutover_reports.paths import DOCUMENTED_COST
from cutover_reports.policy import Policy

#: Kafka's default of `offsets.retention.minutes` (since 2.0, KIP-186) and of `log.retention.hours`, in words.
DEFAULT_RETENTION = "7 days by Kafka's default"
#: librdkafka's default `delivery.timeout.ms`, which keeps running while producers are held.
DEFAULT_DELIVERY_TIMEOUT_MS = 300_000.0
UNKNOWN = "not known"
STAGE_PRODUCERS_MOVED = 6


@dataclass(frozen=True)
class Retention:
    """Hours for which the source keeps an empty group's offsets and a topic's records; None: not known.

    An infinite number: for ever. Both are those of production: of the policy, else of the plan's inventory.
    """

    offsets: float | None
    offsets_from: str
    records: float | None
    records_from: str

    @property
    def hours(self) -> float | None:
        """Return the shorter of the two, after which a group cannot resume on the source; None: not known."""
        return None if self.offsets is None or self.records is None else min(self.offsets, self.records)

    def until(self) -> str:
        """Return until when a group can resume on the source, in words."""
        known = [value for value in (self.offsets, self.records) if value is not None]
        if self.hours is not None:
            return (
                "any time" if math.isinf(self.hours) else f"{words.hours(self.hours)} after consumers left the source"
            )
        least = min(known, default=math.inf)
        absent = " and ".join(
            what for what, value in (("offsets", self.offsets), ("records", self.records)) if value is None
        )
        at_most = "" if math.isinf(least) else f", at most {words.hours(least)} after consumers left the source"
        return f"{UNKNOWN}: how long production keeps {absent} is in neither policy nor inventory{at_most}"

    def in_words(self) -> str:
        """Return how the deadlines follow from the retention, and from which traffic the hourly growth."""
        return (
            f"Deadlines: the source keeps the offsets of a group that left it for {_for(self.offsets)} "
            f"({self.offsets_from}), after that the group starts by auto.offset.reset; it keeps records for "
            f"{_for(self.records)} ({self.records_from}), after that unread ones are gone. The shorter one counts."
        )


def _for(hours: float | None) -> str:
    return "a time that is not known" if hours is None else "ever" if math.isinf(hours) else words.hours(hours)


def retention(policy: Policy, plans: Sequence[PlanReference], route: str) -> Retention:
    """Return the source's retention for one route: of the policy, else of the newest plan's inventory, else unknown."""
    production = policy.production
    absent = f"{DEFAULT_RETENTION}; set {{}} in the policy, or rehearse a plan with an inventory"
    offsets, offsets_from = production.offsets_retention_hours, "policy"
    records, records_from = production.topic_retention_hours, "policy"
    for plan in reversed(plans):
        its = list(plan.topic_retention_hours.values())
        if route in plan.topic_retention_hours:
            its = [plan.topic_retention_hours[route]]
        elif set(plan.topic_retention_hours) < set(plan.all_batches):
            its = []
        inventory = f"inventory {plan.inventory}"
        if records is None and its:
            records, records_from = min(math.inf if hours is None else hours for hours in its), inventory
        if offsets is None and plan.offsets_retention_hours is not None:
            offsets, offsets_from = plan.offsets_retention_hours, inventory
    return Retention(
        offsets,
        absent.format("production.offsets_retention_hours") if offsets is None else offsets_from,
        records,
        absent.format("production.topic_retention_hours") if records is None else records_from,
    )


def cards(route: str, scenarios: Sequence[Scenario], policy: Policy, kept: Retention) -> list[RollbackCard]:
    """Return the cards of one route, stages 1 to 6."""
    back = [scenario for scenario in scenarios if scenario.kind == "rollback"]
    rates = Rates.of(scenarios)
    return [
        _card(route, stage, [s for s in back if s.rollback_stage == stage], policy, kept, rates)
        for stage in range(1, 7)
    ]


@dataclass(frozen=True)
class Rates:
    """What groups consume and producers produce in an hour of the recorded traffic; None: not known."""

    consumed: float | None
    produced: float | None

    @classmethod
    def of(cls, scenarios: Sequence[Scenario]) -> Rates:
        """Return the rates of a route: what is consumed and produced does not depend on the scenario."""
        plain = [s for s in scenarios if s.kind != "control" and not s.faults] or scenarios
        return cls(longest(s.consumed_per_hour for s in plain), longest(s.produced_per_hour for s in plain))


def _card(
    route: str, stage: int, rehearsed: list[Scenario], policy: Policy, kept: Retention, rates: Rates
) -> RollbackCard:
    until, deadline = _deadline(stage, policy, kept)
    grows, per_hour = _growth(stage, rehearsed, rates)
    return RollbackCard(
        route=route,
        stage=stage,
        title=STAGES[stage],
        documented=DOCUMENTED_COST[stage],
        outcome=worst(scenario.outcome for scenario in rehearsed),
        measured=list(dict.fromkeys(_cost(s) for s in rehearsed if s.outcome != NOT_REHEARSED)),
        grows=grows,
        per_hour=per_hour,
        possible_until=until,
        deadline_hours=deadline,
        scenarios=[scenario.id for scenario in rehearsed],
    )


def _growth(stage: int, rehearsed: Sequence[Scenario], rates: Rates) -> tuple[str, float | None]:
    """Return what the cost of a rollback grows by in each hour at the stage, in words and in records.

    What groups consume on the target is consumed again on the source: as much each hour as they consume in an hour of
    the recorded traffic. Records produced on the target without a reverse mirror are missing on the source.
    """
    consumed = "an unknown number of records" if rates.consumed is None else words.records(rates.consumed)
    match stage:
        case 1 | 2:
            return "does not grow", None
        case 3:
            return f"each hour {consumed} more wait to be consumed", rates.consumed
        case 5:
            return "does not grow while producers are held: nothing new comes to the target", None
    reverse = stage == STAGE_PRODUCERS_MOVED and rehearsed and not any(s.stranded for s in rehearsed)
    missing = f", and {words.count(rates.produced)} more are missing on the source"
    missing = missing if stage == STAGE_PRODUCERS_MOVED and not reverse else ""
    return f"each hour on the target {consumed} more are consumed again{missing}", rates.consumed


def _cost(scenario: Scenario) -> str:
    """Return the cost of one rehearsed rollback, in one line."""
    parts = [f"{words.count(scenario.lost)} lost" if scenario.lost is not None else "loss unknown"]
    if scenario.destroyed:
        parts.append(f"{words.count(scenario.destroyed)} destroyed by the fault on purpose")
    if scenario.stranded is None or scenario.stranded:
        parts.append("stranded unknown" if scenario.stranded is None else f"{words.count(scenario.stranded)} stranded")
    after = f" after {words.milliseconds(1000 * scenario.on_target_s)} on the target" if scenario.on_target_s else ""
    faster = f" at {words.factor(scenario.speed)} times the recorded speed" if after and scenario.speed != 1 else ""
    parts.append(
        f"{words.count(scenario.duplicated_total)} consumed again{after}{faster}"
        if scenario.duplicated_total
        else "nothing consumed again"
    )
    if scenario.reordered:
        parts.append(f"{words.count(scenario.reordered)} out of order")
    for whose, value in (("consumers", scenario.consumer_blackout_ms), ("producers", scenario.producer_blackout_ms)):
        if value is not None:
            parts.append(f"blackout of {whose} {words.milliseconds(value)}")
    return f"{scenario.name}: {', '.join(parts)}"


def _deadline(stage: int, policy: Policy, kept: Retention) -> tuple[str, float | None]:
    """Return until when a rollback is possible, in words, and in hours after the stage began if there is a deadline."""
    hours = None if kept.hours is None or math.isinf(kept.hours) else kept.hours
    match stage:
        case 1 | 2:
            return "any time: the source is still in use", None
        case 3 | 4:
            return kept.until(), hours
        case 5:
            given = [its["delivery.timeout.ms"] for its in policy.clients.values() if "delivery.timeout.ms" in its]
            timeout = min(given, default=DEFAULT_DELIVERY_TIMEOUT_MS)
            origin = "shortest of the policy's clients" if given else "librdkafka's default, not read from production"
            until = f"{words.milliseconds(timeout)} after producers stopped"
            return f"{until}, when held records expire by delivery.timeout.ms ({origin})", timeout / 3_600_000
        case _:
            return f"{kept.until()}; and only until the task is deleted", hours
