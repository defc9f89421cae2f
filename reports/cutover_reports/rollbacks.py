"""Rollback cards: the cost of a rollback at each stage, measured and documented, and until when it is possible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cutover_harness.judge.totals import NOT_REHEARSED, worst
from cutover_harness.procedure.state import STAGES

from cutover_reports import words
from cutover_reports.model import RollbackCard, Scenario
from cutover_reports.paths import DOCUMENTED_COST
from cutover_reports.policy import Policy

#: Kafka's defaults: `offsets.retention.minutes` (since 2.0, KIP-186) and `log.retention.hours`.
DEFAULT_OFFSETS_RETENTION_HOURS = 168.0
DEFAULT_TOPIC_RETENTION_HOURS = 168.0
#: librdkafka's default `delivery.timeout.ms`, which keeps running while producers are held.
DEFAULT_DELIVERY_TIMEOUT_MS = 300_000.0


@dataclass(frozen=True)
class Retention:
    """Hours for which the source cluster keeps an empty group's offsets and a topic's records, and their origin."""

    offsets: float
    offsets_from: str
    records: float
    records_from: str

    @property
    def hours(self) -> float:
        """Return the shorter of the two: after that a group cannot resume on the source at its offset."""
        return min(self.offsets, self.records)

    def in_words(self) -> str:
        """Return how the deadlines follow from the retention."""
        return (
            "Deadlines: the source keeps the offsets of a group that left it for "
            f"{words.hours(self.offsets)} "
            f"({self.offsets_from}), after that the group starts by auto.offset.reset; it keeps records for "
            f"{words.hours(self.records)} ({self.records_from}), after that unread ones are gone. "
            "The shorter one counts."
        )


def retention(policy: Policy, captures: Iterable[dict[str, Any]]) -> Retention:
    """Return the source's retention: of the policy, else of the capture's topics, else Kafka's defaults."""
    production = policy.production
    default = "Kafka's default, not read from production"
    offsets, offsets_from = (
        (production.offsets_retention_hours, "policy")
        if production.offsets_retention_hours
        else (DEFAULT_OFFSETS_RETENTION_HOURS, default)
    )
    found = _topic_retention(captures)
    if production.topic_retention_hours:
        return Retention(offsets, offsets_from, production.topic_retention_hours, "policy")
    if found:
        return Retention(offsets, offsets_from, min(found), "the capture's topics")
    return Retention(offsets, offsets_from, DEFAULT_TOPIC_RETENTION_HOURS, default)


def cards(route: str, scenarios: Sequence[Scenario], policy: Policy, kept: Retention) -> list[RollbackCard]:
    """Return the cards of one route, stages 1 to 6."""
    back = [scenario for scenario in scenarios if scenario.kind == "rollback"]
    return [_card(route, stage, [s for s in back if s.rollback_stage == stage], policy, kept) for stage in range(1, 7)]


def _card(route: str, stage: int, rehearsed: list[Scenario], policy: Policy, kept: Retention) -> RollbackCard:
    until, deadline = _deadline(stage, policy, kept)
    return RollbackCard(
        route=route,
        stage=stage,
        title=STAGES[stage],
        documented=DOCUMENTED_COST[stage],
        outcome=worst(scenario.outcome for scenario in rehearsed),
        measured=list(dict.fromkeys(_cost(s) for s in rehearsed if s.outcome != NOT_REHEARSED)),
        possible_until=until,
        deadline_hours=deadline,
        scenarios=[scenario.id for scenario in rehearsed],
    )


def _cost(scenario: Scenario) -> str:
    """Return the cost of one rehearsed rollback, in one line."""
    parts = [f"{words.count(scenario.lost)} lost" if scenario.lost is not None else "loss unknown"]
    if scenario.destroyed:
        parts.append(f"{words.count(scenario.destroyed)} destroyed by the fault on purpose")
    if scenario.stranded is None or scenario.stranded:
        parts.append("stranded unknown" if scenario.stranded is None else f"{words.count(scenario.stranded)} stranded")
    parts.append(
        f"{words.count(scenario.duplicated_total)} consumed again"
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
    clock = f"{words.hours(kept.hours)} after consumers left the source"
    match stage:
        case 1 | 2:
            return "any time: the source is still in use", None
        case 3 | 4:
            return clock, kept.hours
        case 5:
            given = [its["delivery.timeout.ms"] for its in policy.clients.values() if "delivery.timeout.ms" in its]
            timeout = min(given, default=DEFAULT_DELIVERY_TIMEOUT_MS)
            origin = "shortest of the policy's clients" if given else "librdkafka's default"
            until = f"{words.milliseconds(timeout)} after producers stopped"
            return f"{until}, when held records expire by delivery.timeout.ms ({origin})", timeout / 3_600_000
        case _:
            return (
                f"{clock}, and only until the task is deleted; each second adds records that are missing on the source",
                kept.hours,
            )


def _topic_retention(captures: Iterable[dict[str, Any]]) -> list[float]:
    """Return the retention of each topic in a capture, in hours; endless ones are left out."""
    found = []
    for capture in captures:
        topics = capture.get("topics")
        for topic in topics.values() if isinstance(topics, dict) else ():
            config = topic.get("config") if isinstance(topic, dict) else None
            value = str(config.get("retention.ms", "")) if isinstance(config, dict) else ""
            if value.isdigit() and int(value):
                found.append(int(value) / 3_600_000)
    return found
