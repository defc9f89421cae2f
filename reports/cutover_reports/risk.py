"""The risk model: likelihood and impact from measured figures, against the limits of the policy.

A risk *blocks* if a run exceeded a limit, is a *condition* if nothing was proved or no limit was set, is *accepted* if
it occurred within the limit, and is *clear* if runs could have shown it and none did. Every
conclusive run of the route is one trial; damage that an inconclusive run shows counts too: only its absence would
need proof.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from cutover_harness.judge.measures import MEASURES

from cutover_reports import words
from cutover_reports.commands import Commands
from cutover_reports.model import Risk, Scenario
from cutover_reports.policy import Limits

CONFIDENCE = 0.95
Level = Literal["blocks", "condition", "accepted", "clear"]


@dataclass(frozen=True)
class MeasuredRisk:
    """One measured risk: its figure, its limit, and what lowers it."""

    id: str
    title: str
    figure: Callable[[Scenario], float | None]
    limit: str
    text: Callable[[float | None], str]
    lowered_by: str
    on: Literal["any", "switchover", "rollback"] = "any"
    counts_from: Literal["zero", "limit"] = "zero"


RISKS = (
    *(
        MeasuredRisk(
            measure.name, measure.risk, attrgetter(measure.name), measure.name, words.records, measure.lowered_by
        )
        for measure in MEASURES
        if measure.risk
    ),
    MeasuredRisk(
        "duplicated-forward",
        "Are records processed twice during the switchover?",
        lambda s: s.duplicated_total,
        "duplicated_on_switchover",
        words.deliveries,
        "Resume groups at the exact translated offset, or make consumers idempotent.",
        "switchover",
    ),
    MeasuredRisk(
        "duplicated-back",
        "Are records processed twice during a rollback?",
        lambda s: s.duplicated_total,
        "duplicated_on_rollback",
        words.deliveries,
        "Turn back early: what was consumed on the target is consumed again on the source.",
        "rollback",
    ),
    MeasuredRisk(
        "producer-blackout",
        "Is the producers' blackout too long?",
        lambda s: s.producer_blackout_ms,
        "producer_blackout_ms",
        words.milliseconds,
        "Cut over at low traffic, when the mirror drains sooner; reduce the lag first.",
        counts_from="limit",
    ),
    MeasuredRisk(
        "consumer-blackout",
        "Is the consumers' blackout too long?",
        lambda s: s.consumer_blackout_ms,
        "consumer_blackout_ms",
        words.milliseconds,
        "Prove group progress by the mirror's offsets instead of waiting a fixed time; add members.",
        counts_from="limit",
    ),
    MeasuredRisk(
        "lag",
        "Does the mirror fall too far behind?",
        lambda s: s.worst_lag_records,
        "lag_records",
        words.records,
        "More mirror tasks, larger batches and a short linger; against AutoMQ run without exactly-once.",
        counts_from="limit",
    ),
    MeasuredRisk(
        "lag-age",
        "Is the mirror too late?",
        lambda s: s.worst_lag_ms,
        "lag_ms",
        words.milliseconds,
        "More mirror tasks, larger batches and a short linger.",
        counts_from="limit",
    ),
)


def measured_risks(scenarios: Sequence[Scenario], limits: Limits, commands: Commands) -> list[Risk]:
    """Return the risks that come straight from measured figures, for the scenarios of one route."""
    rehearsed = [scenario for scenario in scenarios if scenario.kind != "control" and scenario.taken]
    return [risk for measure in RISKS if (risk := _risk(measure, rehearsed, limits, commands)) is not None]


def answer(level: Level, measured: str, *, runs: int | None = None, open_figure: bool = False) -> str:
    """Return the answer to a risk's question. open_figure: it is a condition because a figure has no limit."""
    if level == "clear":
        return f"No: {measured}" + (f" in {words.plural(runs, 'run')}" if measured == "none" and runs else "")
    if level == "accepted":
        return f"Yes, within the limit: {measured}"
    if level == "blocks":
        return f"Yes: {measured}"
    return f"Yes, and no limit is set: {measured}" if open_figure else f"Not known: {measured}"


def unmeasured(
    identity: str, title: str, *, answer: str, measured: str, threshold: str, lowered_by: str, command: str
) -> Risk:
    """Return a risk that is a condition whatever the runs have shown: none of them is a trial of it."""
    return Risk(
        id=identity,
        title=title,
        answer=answer,
        likelihood="unknown",
        occurred=0,
        runs=0,
        at_most=None,
        impact="unknown",
        measured=measured,
        threshold=threshold,
        level="condition",
        lowered_by=lowered_by,
        command=command,
        evidence=[],
    )


def upper_bound(occurred: int, runs: int) -> float | None:
    """Return the one-sided Clopper-Pearson upper bound of a probability seen `occurred` times in `runs` trials."""
    if runs == 0:
        return None
    if occurred >= runs:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        at_most = sum(math.comb(runs, k) * middle**k * (1 - middle) ** (runs - k) for k in range(occurred + 1))
        low, high = (middle, high) if at_most > 1 - CONFIDENCE else (low, middle)
    return round(high, 4)


def likelihood(occurred: int, runs: int) -> Literal["likely", "possible", "unlikely", "unknown"]:
    """Return the word for `occurred` of `runs`: likely from a half on."""
    if runs == 0:
        return "unknown"
    return "likely" if 2 * occurred >= runs else "possible" if occurred else "unlikely"


def _risk(measure: MeasuredRisk, scenarios: Sequence[Scenario], limits: Limits, commands: Commands) -> Risk | None:
    limit: float | Literal["any"] | None = getattr(limits, measure.limit)
    bound = math.inf if limit is None or limit == "any" else limit
    figures = {s.id: measure.figure(s) for s in scenarios if measure.on in ("any", s.kind)}
    known = {name: value for name, value in figures.items() if value is not None}
    conclusive = {s.id for s in scenarios if s.conclusive}
    if bound == math.inf and not known:
        return None
    floor = bound if measure.counts_from == "limit" else 0
    showing = [name for name, value in known.items() if value > floor]
    trials = [name for name in known if name in conclusive or name in showing]
    worst = max((known[name] for name in trials), default=None)
    impact: Literal["none", "within limits", "beyond limits", "unknown"]
    level: Level
    if worst is None:
        impact, level = "unknown", "condition"
    elif worst > bound:
        impact, level = "beyond limits", "blocks"
    elif worst == 0:
        impact, level = "none", "clear"
    elif limit is None:
        impact, level = "unknown", "condition"
    else:
        impact, level = "within limits", "accepted"
    measured = _measured(measure, [s for s in scenarios if s.id in trials], worst)
    # A duration within its limit is the answer "no": it is not too long.
    at_most = "clear" if level == "accepted" and measure.counts_from == "limit" else level
    evidence = [name for name in trials if worst and known[name] == worst][:3]
    return Risk(
        id=measure.id,
        title=measure.title,
        answer=answer(at_most, measured, runs=len(trials), open_figure=worst is not None),
        likelihood=likelihood(len(showing), len(trials)),
        occurred=len(showing),
        runs=len(trials),
        at_most=upper_bound(len(showing), len(trials)),
        impact=impact,
        measured=measured,
        threshold=_threshold(measure, limit),
        level=level,
        lowered_by=measure.lowered_by,
        command=_command(measure, level, worst, [s for s in scenarios if s.id in (evidence or figures)], commands),
        evidence=evidence,
    )


def _command(
    measure: MeasuredRisk, level: Level, worst: float | None, scenarios: Sequence[Scenario], commands: Commands
) -> str:
    """Return the command that removes a condition or a block; empty for other levels."""
    if level == "condition" and worst is not None:
        return commands.policy("limits", measure.limit, f"{math.ceil(worst)}")
    return commands.rehearse(scenarios, measure.id) if level in ("condition", "blocks") else ""


def _measured(measure: MeasuredRisk, scenarios: Sequence[Scenario], worst: float | None) -> str:
    """Return the worst figure in words, with the part due to faults, and records destroyed on purpose."""
    if worst is None:
        return "not measured"
    apart = ""
    if measure.id == "lost" and (by_fault := [s for s in scenarios if s.destroyed]):
        most = max(scenario.destroyed for scenario in by_fault)
        names = words.listed([scenario.name for scenario in by_fault])
        apart = f"; apart from that at most {measure.text(most)} destroyed on purpose by the fault of {names}"
    if not worst:
        return f"none{apart}"
    plain = max((measure.figure(s) or 0 for s in scenarios if not s.faults), default=0)
    without = "" if plain == worst else f" with a fault, {measure.text(plain) if plain else 'none'} without"
    return f"at most {measure.text(worst)}{without}{apart}"


def _threshold(measure: MeasuredRisk, limit: float | Literal["any"] | None) -> str:
    if limit is None:
        return "not decided: set a limit in the policy"
    if limit == "any":
        return "any"
    return f"at most {measure.text(limit)}" if limit else "none"
