"""The report from its runs and scenarios: routes, key figures, commands, tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cutover_harness.judge.totals import NOT_REHEARSED

from cutover_reports import plans, words
from cutover_reports.commands import Commands, joined, recorded
from cutover_reports.deciding import Deciding, deciding
from cutover_reports.explored import explored_section, with_violations
from cutover_reports.key_figures import worst_of
from cutover_reports.matrix import matrix, trend
from cutover_reports.model import Decision, ReachedBy, Report, RouteReport, Run, Scenario
from cutover_reports.policy import Policy, unknown_names
from cutover_reports.reach import notes
from cutover_reports.reading import RunFolder
from cutover_reports.rollbacks import retention
from cutover_reports.routes import Grounds, judge_route, worst_decision
from cutover_reports.survival import survival
from cutover_reports.unproved import unproved


def whole_report(
    runs: list[Run],
    scenarios: list[Scenario],
    policy: Policy,
    read: Sequence[RunFolder],
    reach: list[ReachedBy],
    explored_file: Path | None,
    options: Deciding,
) -> Report:
    """Return the report of these runs and their scenarios. Raises UsageError if `explored_file` is not valid.

    options: what the report was given on the command line.
    """
    explored = explored_section(explored_file, runs, scenarios)
    routes, rollbacks = [], []
    names = list(dict.fromkeys(scenario.route for scenario in scenarios))
    outs = [_out(run, folder.folder) for run, folder in zip(runs, read, strict=True)]
    rehearsed_plans = [run.plan for run in runs if run.plan is not None]
    rehearsed_with = [None if (parts := recorded(run.command)) is None else parts.value("--policy") for run in runs]
    kept_files = deciding(options, [folder.folder for folder in read], outs, rehearsed_with)
    for name in names:
        commands = Commands(runs[-1] if runs else None, name, outs, several=len(names) > 1, deciding=kept_files)
        kept = retention(policy, rehearsed_plans, name)
        own = [scenario for scenario in scenarios if scenario.route == name]
        route, own_cards = judge_route(own, Grounds(name, runs, policy, kept, commands))
        routes.append(with_violations(route, explored))
        rollbacks += own_cards
    routes = plans.of_one_plan(routes, runs, scenarios)
    decision = worst_decision([route.decision for route in routes])
    open_ones = [risk.command for route in routes for risk in route.risks if risk.command and risk.id != "stand-in"]
    return Report(
        decision=decision,
        headline=_headline(decision, routes, scenarios),
        figures=worst_of([(route.name, route.figures) for route in routes]),
        then=joined(outs, open_ones, kept_files),
        policy=policy.name,
        runs=runs,
        routes=routes,
        scenarios=scenarios,
        matrix=matrix(scenarios),
        rollbacks=rollbacks,
        reach=reach,
        reach_notes=notes(reach),
        survival=survival(scenarios, policy),
        unproved=unproved(runs, scenarios),
        trend=trend(scenarios, runs),
        explored=explored,
        missing=[*unapplied(policy, scenarios), *(line for run in read for line in run.missing)]
        + [line for scenario in scenarios for line in scenario.missing],
    )


def unapplied(policy: Policy, scenarios: Sequence[Scenario]) -> list[str]:
    """Return in words what the policy names and the report does not have: it is applied to nothing."""
    named = {name for scenario in scenarios for name in (scenario.name, scenario.of_path, scenario.route) if name}
    unknown = [f"{line}." for line, _ in unknown_names(policy, named)]
    return [*policy.unused({scenario.route for scenario in scenarios}), *unknown]


def _out(run: Run, folder: Path) -> str:
    """Return the folder of a run for commands: as the run named it, or as it was given if it was moved since."""
    parts = recorded(run.command)
    if parts is None:
        return str(folder)
    named, given = Path(parts.out), folder.resolve()
    same = named == given if named.is_absolute() else named.name == given.name
    return parts.out if same else str(folder)


def _headline(decision: Decision, routes: Sequence[RouteReport], scenarios: Sequence[Scenario]) -> str:
    """Return the decision's reason in one sentence."""
    if not scenarios:
        return "Nothing was rehearsed, so nothing is proved."
    absent = sum(scenario.outcome == NOT_REHEARSED for scenario in scenarios)
    if absent == len(scenarios):
        return f"Nothing was rehearsed of {words.plural(absent, 'scenario')} requested, so nothing is proved."
    if decision == "INCONCLUSIVE":
        open_ones = [route for route in routes if route.decision == "INCONCLUSIVE"]
        return f"Inconclusive for a go: {open_ones[0].reasons[0]}."
    if decision == "NO-GO":
        blocked = [route for route in routes if route.decision == "NO-GO"]
        first = blocked[0]
        return f"{words.plural(len(blocked), 'route')} of {len(routes)} blocked. {first.name}: {first.reasons[0]}."
    counted = sum(route.passed + route.failed + route.inconclusive + route.not_rehearsed for route in routes)
    passed = f"{words.plural(sum(route.passed for route in routes), 'scenario')} of {counted} passed"
    if len(routes) == 1 and routes[0].path is not None:
        passed = f"Path {routes[0].path}: {passed}"
    if decision == "GO":
        return f"{passed}, within every limit of the policy."
    conditions = sum(len(route.conditions) for route in routes)
    return f"{passed}; {words.plural(conditions, 'condition')} to meet or accept first."
