"""Rollback cards: what turning back costs at each stage, measured against documented, and until when it is possible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cutover_reports import words
from cutover_reports.model import Outcome, RollbackCard, Scenario
from cutover_reports.paths import DOCUMENTED_COST, STAGES
from cutover_reports.policy import Policy

#: Kafka's defaults: `offsets.retention.minutes` (since 2.0, KIP-186) and `log.retention.hours`.
DEFAULT_OFFSETS_RETENTION_HOURS = 168.0
DEFAULT_TOPIC_RETENTION_HOURS = 168.0
#: librdkafka's default `delivery.timeout.ms`, which keeps running while producers are held.
DEFAULT_DELIVERY_TIMEOUT_MS = 300_000.0


def cards(
    route: str, scenarios: Sequence[Scenario], policy: Policy, captures: Iterable[dict[str, Any]]
) -> list[RollbackCard]:
    """Return the cards of one route, stages 1 to 6."""
    back = [scenario for scenario in scenarios if scenario.kind == "rollback"]
    retention = _retention(policy, captures)
    return [
        _card(route, stage, [s for s in back if s.rollback_stage == stage], policy, retention) for stage in range(1, 7)
    ]


def worst_outcome(outcomes: Iterable[Outcome]) -> Outcome | None:
    """Return the worst of `outcomes`: FAIL before INCONCLUSIVE before PASS; None where there are none."""
    present = set(outcomes)
    for outcome in ("FAIL", "INCONCLUSIVE", "PASS"):
        if outcome in present:
            return outcome
    return None


def _card(
    route: str, stage: int, rehearsed: list[Scenario], policy: Policy, retention: tuple[float, str]
) -> RollbackCard:
    until, deadline = _deadline(stage, policy, retention)
    return RollbackCard(
        route=route,
        stage=stage,
        title=STAGES[stage],
        documented=DOCUMENTED_COST[stage],
        outcome=worst_outcome(scenario.outcome for scenario in rehearsed),
        measured=list(dict.fromkeys(_cost(scenario) for scenario in rehearsed)),
        possible_until=until,
        deadline_hours=deadline,
        scenarios=[scenario.id for scenario in rehearsed],
    )


def _cost(scenario: Scenario) -> str:
    """Return what one rehearsed rollback cost, in one line."""
    parts = [f"{words.count(scenario.lost)} lost" if scenario.lost is not None else "loss unknown"]
    if scenario.stranded is None or scenario.stranded:
        parts.append("stranded unknown" if scenario.stranded is None else f"{words.count(scenario.stranded)} stranded")
    parts.append(
        f"{words.count(scenario.duplicated_total)} consumed again"
        if scenario.duplicated_total
        else "nothing consumed again"
    )
    if scenario.disordered:
        parts.append(f"{words.count(scenario.disordered)} out of order")
    for who, pause in (("consumption", scenario.consumer_pause_ms), ("production", scenario.producer_pause_ms)):
        if pause is not None:
            parts.append(f"{who} paused {words.milliseconds(pause)}")
    return f"{scenario.name}: {', '.join(parts)}"


def _deadline(stage: int, policy: Policy, retention: tuple[float, str]) -> tuple[str, float | None]:
    """Return until when the way back is open, in words, and in hours after the stage began where a clock runs."""
    offsets = policy.production.offsets_retention_hours or DEFAULT_OFFSETS_RETENTION_HOURS
    offsets_from = (
        "policy" if policy.production.offsets_retention_hours else "Kafka's default, not read from production"
    )
    topic, topic_from = retention
    hours = min(offsets, topic)
    clock = (
        f"{words.hours(hours)} after the consumers stopped on the source: the shorter of the source's offset retention "
        f"({words.hours(offsets)}, {offsets_from}), after which its groups start by auto.offset.reset, and its topic "
        f"retention ({words.hours(topic)}, {topic_from}), after which unread records are gone"
    )
    match stage:
        case 1 | 2:
            return "no deadline: the source is in use, delete the task", None
        case 3 | 4:
            return clock, hours
        case 5:
            timeout = min(
                (its["delivery.timeout.ms"] for its in policy.clients.values() if "delivery.timeout.ms" in its),
                default=DEFAULT_DELIVERY_TIMEOUT_MS,
            )
            given = any("delivery.timeout.ms" in its for its in policy.clients.values())
            held = f"delivery.timeout.ms ({words.milliseconds(timeout)}, {'policy' if given else 'librdkafka default'})"
            return f"held records expire after {held}; apart from them, {clock}", timeout / 3_600_000
        case _:
            return (
                f"until the task is deleted (stage 7), and {clock}; every second on the target adds records that the source lacks",
                hours,
            )


def _retention(policy: Policy, captures: Iterable[dict[str, Any]]) -> tuple[float, str]:
    """Return the shortest topic retention in hours and where it is known from."""
    if policy.production.topic_retention_hours:
        return policy.production.topic_retention_hours, "policy"
    found = []
    for capture in captures:
        topics = capture.get("topics")
        for topic in topics.values() if isinstance(topics, dict) else ():
            config = topic.get("config") if isinstance(topic, dict) else None
            value = config.get("retention.ms") if isinstance(config, dict) else None
            if isinstance(value, str | int | float) and str(value).isdigit() and int(value) > 0:
                found.append(int(value) / 3_600_000)
    return (
        (min(found), "from the capture")
        if found
        else (DEFAULT_TOPIC_RETENTION_HOURS, "Kafka's default, not read from production")
    )
