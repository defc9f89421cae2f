"""GO, GO WITH CONDITIONS or NO-GO for one route, and why.

A team takes one path, so the verdict is that of the path which the policy or the plan names. If none is named and
several were walked, all of them count, and that is a condition of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cutover_harness.judge.totals import NOT_REHEARSED

from cutover_reports import evidence
from cutover_reports.commands import Commands
from cutover_reports.key_figures import key_figures
from cutover_reports.model import Decision, PathReport, Risk, RollbackCard, RouteReport, Run, Scenario
from cutover_reports.paths import concerns, known_paths
from cutover_reports.policy import Policy
from cutover_reports.ranking import costs, ranked, recommendation
from cutover_reports.risk import measured_risks
from cutover_reports.rollbacks import Retention, cards
from cutover_reports.survival import survival

#: From the worst to the best.
DECISIONS: tuple[Decision, ...] = ("NO-GO", "INCONCLUSIVE", "GO WITH CONDITIONS", "GO")
_ORDER = {"blocks": 0, "condition": 1, "accepted": 2, "clear": 3}


@dataclass(frozen=True)
class Grounds:
    """What the decision on one route rests on, apart from its scenarios."""

    name: str
    runs: Sequence[Run]
    policy: Policy
    kept: Retention
    commands: Commands


@dataclass(frozen=True)
class _Weighed:
    """The risks of some scenarios, their decision, and the reason if it is inconclusive."""

    risks: list[Risk]
    decision: Decision
    unproved: str | None
    cards: list[RollbackCard]
    counted: list[Scenario]


def judge_route(scenarios: Sequence[Scenario], grounds: Grounds) -> tuple[RouteReport, list[RollbackCard]]:
    """Weigh the scenarios of one route, from all runs; return the decision, and the rollback cards."""
    name, policy = grounds.name, grounds.policy
    walked = list(dict.fromkeys(s.of_path for s in scenarios if s.of_path is not None and _forward(s)))
    counting = list(dict.fromkeys(s.of_path for s in scenarios if s.taken and s.of_path in walked))
    path, path_from = _chosen(grounds, [each for each in counting if each is not None])
    steps = {each: _steps(each, scenarios) for each in walked}
    along = {each: [s for s in scenarios if _belongs(s, each, steps[each])] for each in walked if each is not None}
    by_path = {each: _weigh(along[each], scenarios, grounds, each) for each in along}
    paths = ranked([_path_report(each, by_path[each], along[each], path) for each in along if each in counting])
    best = next((each.name for each in paths if each.recommended), None)
    if path is None:
        deciding = _weigh(scenarios, scenarios, grounds, None)
        if len(paths) > 1:
            open_path = evidence.unnamed_path([each.name for each in paths], best, grounds.commands)
            deciding = _with(deciding, open_path)
    elif path in by_path:
        # Weighed again, so that only its own commands write further folders.
        deciding = by_path[path]
    else:
        deciding = _weigh([s for s in scenarios if s.of_path is None], scenarios, grounds, path)
    apart = _apart(scenarios, deciding.counted, path, policy.reversible_stages(name))
    blocking = [risk for risk in deciding.risks if risk.level == "blocks"]
    rehearsed = [scenario for scenario in deciding.counted if scenario.kind != "control"]
    outcomes = Counter(scenario.outcome for scenario in rehearsed)
    controls = [scenario for scenario in deciding.counted if scenario.kind == "control"]
    report = RouteReport(
        name=name,
        decision=deciding.decision,
        path=path,
        path_from=path_from,
        recommendation=recommendation(paths, path, path_from),
        paths=paths,
        figures=key_figures(rehearsed, deciding.risks, deciding.cards, policy, name),
        reasons=[f"{risk.title} {risk.answer} (accepted: {risk.threshold})" for risk in blocking]
        or ([deciding.unproved] if deciding.unproved else []),
        conditions=[f"{r.title} {r.answer}. {r.lowered_by}" for r in deciding.risks if r.level == "condition"],
        risks=deciding.risks,
        passed=outcomes["PASS"],
        failed=outcomes["FAIL"],
        inconclusive=outcomes["INCONCLUSIVE"],
        not_rehearsed=sum(scenario.outcome == NOT_REHEARSED for scenario in deciding.counted),
        not_counted=[f"{s.name}: {s.outcome}, {why}" for s, why in apart if s.outcome != "PASS"],
        controls_caught=sum(scenario.caught is True for scenario in controls),
        controls=len(controls),
        retention=grounds.kept.in_words(),
    )
    return report, deciding.cards


def decide(levels: Collection[str], *, proved: bool) -> Decision:
    """Decide from the levels of all risks; `proved`: whether a switchover passed at all.

    A risk that blocks is a no, whatever else is not proved. Without a switchover that passed, nothing is proved about
    going, however well everything else went: that is neither a yes nor a no.
    """
    if "blocks" in levels:
        return "NO-GO"
    if not proved:
        return "INCONCLUSIVE"
    return "GO WITH CONDITIONS" if "condition" in levels else "GO"


def worst_decision(decisions: Collection[Decision]) -> Decision:
    """Return the worst of `decisions`; INCONCLUSIVE if there are none, since nothing was shown."""
    return next((decision for decision in DECISIONS if decision in decisions), "INCONCLUSIVE")


def _forward(scenario: Scenario) -> bool:
    return scenario.kind == "switchover" or bool(scenario.faults)


def _chosen(grounds: Grounds, walked: Sequence[str]) -> tuple[str | None, str]:
    """Return the path whose verdict is the route's, and what names it."""
    named = grounds.policy.path_of(grounds.name)
    if named is not None:
        return named, f"named by the policy {grounds.policy.name}"
    for run in reversed(grounds.runs):
        if run.plan is not None and grounds.name in run.plan.paths:
            return run.plan.paths[grounds.name], f"named by the plan {run.plan.name}"
    if len(walked) == 1:
        return walked[0], "the only one that was rehearsed"
    return None, "neither plan nor policy names a path" if walked else "no path was rehearsed"


def _steps(path: str | None, scenarios: Sequence[Scenario]) -> Sequence[str]:
    """Return the steps of a path: of the catalogue, else of the scenarios along it."""
    own = next((s.asked_path for s in scenarios if s.of_path == path and s.kind == "switchover"), ())
    return own or known_paths().get(str(path), ())


def _belongs(scenario: Scenario, path: str, steps: Sequence[str]) -> bool:
    """Whether a scenario says something about a path: it runs along it, or concerns each path that begins like it."""
    if scenario.of_path is not None:
        return scenario.of_path == path
    # Without the steps of either, nothing speaks against it.
    return scenario.kind == "control" or not steps or not scenario.path or concerns(scenario.path, steps)


def _weigh(
    scenarios: Sequence[Scenario], everything: Sequence[Scenario], grounds: Grounds, path: str | None
) -> _Weighed:
    """Weigh some scenarios of a route; `everything`: all of them. path: the one that they belong to, None for all."""
    name, policy, commands = grounds.name, grounds.policy, grounds.commands
    reversible = policy.reversible_stages(name)
    # A rollback that the policy does not rely on is shown, and decides nothing.
    counted = [s for s in scenarios if _why_not_counted(s, reversible) is None]
    rehearsed = [scenario for scenario in counted if scenario.kind != "control"]
    others = [s for s in everything if s not in scenarios and s.kind != "control" and s.taken]
    own_cards = cards(name, scenarios, policy, grounds.kept)
    risks = [
        *measured_risks(counted, policy.limits_of(name), commands),
        evidence.paths(rehearsed, policy, commands),
        evidence.way_back(own_cards, reversible, path, commands),
        *evidence.faults(rehearsed, others, policy, path, commands),
        evidence.clients(survival(scenarios, policy), commands),
        evidence.controls([s for s in counted if s.kind == "control"], policy, commands),
        *evidence.stand_in(grounds.runs, scenarios, commands),
    ]
    risks.sort(key=lambda risk: _ORDER[risk.level])
    unproved = evidence.no_switchover(rehearsed)
    if unproved is not None and path is not None and not any(s.of_path == path for s in scenarios):
        unproved = f"the path {path} was not rehearsed"
    return _Weighed(
        risks, decide([risk.level for risk in risks], proved=unproved is None), unproved, own_cards, counted
    )


def _with(weighed: _Weighed, risk: Risk) -> _Weighed:
    """Return the same with one more risk."""
    risks = sorted([risk, *weighed.risks], key=lambda each: _ORDER[each.level])
    decision = decide([each.level for each in risks], proved=weighed.unproved is None)
    return _Weighed(risks, decision, weighed.unproved, weighed.cards, weighed.counted)


def _path_report(path: str, weighed: _Weighed, scenarios: Sequence[Scenario], chosen: str | None) -> PathReport:
    along = [scenario for scenario in scenarios if scenario.of_path == path]
    blocking = [f"{risk.title} {risk.answer}" for risk in weighed.risks if risk.level == "blocks"]
    return PathReport(
        name=path,
        rank=0,
        decision=weighed.decision,
        decides=chosen in (None, path),
        recommended=False,
        passed=sum(scenario.outcome == "PASS" for scenario in along),
        runs=len(along),
        **costs(path, along),
        reasons=blocking or ([weighed.unproved] if weighed.unproved else []),
        open=[f"{risk.title} {risk.answer}" for risk in weighed.risks if risk.level == "condition"],
        scenarios=[scenario.id for scenario in along],
    )


def _apart(
    scenarios: Sequence[Scenario], counted: Sequence[Scenario], path: str | None, reversible: Collection[int]
) -> list[tuple[Scenario, str]]:
    """Return the scenarios that decide nothing, each with the reason."""
    decided = {scenario.id for scenario in counted}
    return [
        (s, _why_not_counted(s, reversible) or f"not counted: it does not concern the path {path}")
        for s in scenarios
        if s.id not in decided
    ]


def _why_not_counted(scenario: Scenario, reversible: Collection[int]) -> str | None:
    """Return why a scenario decides nothing, None if it counts."""
    if not scenario.taken:
        return "not counted: the policy lists this path as not taken"
    if scenario.rollback_stage is not None and scenario.rollback_stage not in reversible:
        return f"not counted: the policy does not rely on a rollback from stage {scenario.rollback_stage}"
    return None
