"""From run folders to a report and its series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Reach, RunFacts
from cutover_harness.judge.totals import NOT_REHEARSED
from pydantic import ValidationError

from cutover_reports import plans, words
from cutover_reports.commands import Commands, joined, recorded, repeating
from cutover_reports.key_figures import worst_of
from cutover_reports.matrix import matrix, trend
from cutover_reports.model import Decision, ReachedBy, Report, RouteReport, Run, Scenario
from cutover_reports.policy import APPLIED_NAME, DEFAULTS, Policy, policy_in, read_policy
from cutover_reports.reach import notes, reached
from cutover_reports.reading import Frames, Rhythm, RunFolder, ScenarioFolder, read_run, read_scenario
from cutover_reports.rollbacks import retention
from cutover_reports.routes import Grounds, judge_route, worst_decision
from cutover_reports.scenarios import UNNAMED_ROUTE, figures, with_paths
from cutover_reports.series import thin
from cutover_reports.survival import survival
from cutover_reports.unproved import unproved

#: Points of all series of a page together: about 2 MB of it: 200 scenarios stay under 5 MB.
POINTS = 300_000
#: A screen cannot show more than this in one series.
POINTS_A_SERIES = 1500


@dataclass
class Built:
    """A report, and the thinned series of each scenario by its id."""

    report: Report
    series: dict[str, Frames]
    rhythms: dict[str, Rhythm] = field(default_factory=dict)


def build(folders: Sequence[Path], policy_file: Path | None = None) -> Built:
    """Read `folders` (one or more run folders) and build one report of them.

    Scenarios are read one after the other and their series thinned immediately: memory holds one whole run at most.
    Raises UsageError if a folder is no run folder, a run is given twice or the policy is not valid.
    """
    _refuse_same_folder(folders)
    read = [read_run(folder) for folder in folders]
    policy = _policy(read, policy_file)
    total = sum(len(run.names) for run in read)
    scenarios: list[Scenario] = []
    series: dict[str, Frames] = {}
    ids: set[str] = set()
    counted: dict[tuple[int, int, str], Path] = {}
    reaches: dict[str, Reach] = {}
    rhythms: dict[str, Rhythm] = {}
    for index, run in enumerate(read):
        for name in run.names:
            found = read_scenario(run, name)
            scenarios.append(scenario := _figures(found, index, ids, policy))
            if found.facts:
                _refuse_counted(found.folder, found.facts, counted)
                if found.facts.reach is not None:
                    reaches[scenario.id] = found.facts.reach
            if found.rhythm is not None:
                rhythms[scenario.id] = found.rhythm
            points = max(60, min(POINTS_A_SERIES, POINTS // max(1, total * max(1, len(found.series)))))
            series[scenario.id] = {key: thin(values, points) for key, values in found.series.items()}
    runs = [_run(run, scenarios, index) for index, run in enumerate(read)]
    named = {batch: path for run in runs if run.plan is not None for batch, path in run.plan.paths.items()}
    scenarios = with_paths(_routed(scenarios), named)
    return Built(_report(runs, scenarios, policy, read, reached(scenarios, reaches)), series, rhythms)


def _refuse_same_folder(folders: Sequence[Path]) -> None:
    """Raise UsageError if a folder is given twice: its runs would count twice as evidence."""
    seen: dict[Path, Path] = {}
    for folder in folders:
        first = seen.setdefault(folder.resolve(), folder)
        if first is not folder:
            raise UsageError(f"{folder}: the same folder as {first}, given before: give each run once")


def _refuse_counted(folder: Path, facts: RunFacts, counted: dict[tuple[int, int, str], Path]) -> None:
    """Raise UsageError if the run in `folder` was counted before, from a copy of the folder."""
    first = counted.setdefault((facts.run, facts.started_ns, facts.scenario), folder)
    if first != folder:
        raise UsageError(f"{folder}: a copy of the run in {first}: one run counts once as evidence: give one of them")


def _report(
    runs: list[Run],
    scenarios: list[Scenario],
    policy: Policy,
    read: Sequence[RunFolder],
    reach: list[ReachedBy],
) -> Report:
    routes, rollbacks = [], []
    names = list(dict.fromkeys(scenario.route for scenario in scenarios))
    outs = [_out(run) for run in runs]
    rehearsed_plans = [run.plan for run in runs if run.plan is not None]
    for name in names:
        commands = Commands(
            runs[-1] if runs else None, name, outs, several=len(names) > 1, own_policy=policy.name != DEFAULTS
        )
        kept = retention(policy, rehearsed_plans, name)
        own = [scenario for scenario in scenarios if scenario.route == name]
        route, own_cards = judge_route(own, Grounds(name, runs, policy, kept, commands))
        routes.append(route)
        rollbacks += own_cards
    routes = plans.of_one_plan(routes, runs, scenarios)
    decision = worst_decision([route.decision for route in routes])
    open_ones = [risk.command for route in routes for risk in route.risks if risk.command and risk.id != "stand-in"]
    return Report(
        decision=decision,
        headline=_headline(decision, routes, scenarios),
        figures=worst_of([(route.name, route.figures) for route in routes]),
        then=joined(outs, open_ones),
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
        missing=[line for run in read for line in run.missing]
        + [line for scenario in scenarios for line in scenario.missing],
    )


def _out(run: Run) -> str:
    """Return the folder of a run as its command names it, else by its name."""
    parts = recorded(run.command)
    return run.folder if parts is None else parts.out


def _figures(found: ScenarioFolder, run: int, ids: set[str], policy: Policy) -> Scenario:
    """Return a scenario's figures; without any if its files have values that no rehearsal writes."""
    taken = set(ids)
    try:
        return figures(found, run, ids, policy.evidence.not_taken)
    except (ValidationError, ValueError, TypeError, ArithmeticError) as why:
        found.discard(_first_line(why))
    ids.intersection_update(taken)
    return figures(found, run, ids, policy.evidence.not_taken)


def _first_line(why: Exception) -> str:
    if isinstance(why, ValidationError):
        first = why.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(why).split())


def _routed(scenarios: list[Scenario]) -> list[Scenario]:
    """Put scenarios whose route is not recorded into the only one that is, if there is only one."""
    known = {scenario.route for scenario in scenarios} - {UNNAMED_ROUTE}
    if len(known) != 1:
        return scenarios
    (route,) = known
    return [scenario.model_copy(update={"route": route}) for scenario in scenarios]


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


def _policy(read: Sequence[RunFolder], given: Path | None) -> Policy:
    """Return the policy that was given, else the newest folder's own, else the defaults."""
    if given:
        return read_policy(given)
    own = [(file, run) for run in read if (file := policy_in(run.folder)) is not None]
    if not own:
        return Policy()
    file, run = own[-1]
    return read_policy(file, _text(run.rehearsal.get("policy")) if file.name == APPLIED_NAME else None)


def _run(run: RunFolder, scenarios: Sequence[Scenario], index: int) -> Run:
    rehearsal = run.rehearsal
    capture = _dict(rehearsal.get("capture"))
    seed = rehearsal.get("seed")
    target = rehearsal.get("target_kind")
    return Run(
        folder=run.folder.resolve().name,
        started=_text(rehearsal.get("started")),
        finished=_text(rehearsal.get("finished")),
        command=repeating(_text(rehearsal.get("command")), seed if isinstance(seed, int) else None),
        seed=seed if isinstance(seed, int) else None,
        target_kind=target if target in ("AutoMQ", "stand-in") else "unknown",
        environment=_texts(rehearsal.get("environment")) | _in_parallel(rehearsal.get("jobs")),
        versions=_texts(rehearsal.get("versions")),
        capture=_capture(capture),
        plan=plans.reference(rehearsal.get("plan")),
        scenarios=sum(scenario.run == index for scenario in scenarios),
        missing=run.missing,
    )


def _capture(capture: dict[str, Any]) -> dict[str, str]:
    """Return the description of a capture, in words; its topics by name alone."""
    described = {}
    for key, value in capture.items():
        if isinstance(value, int) and abs(value) > 2**63:
            described[key] = "no usable number"
        elif isinstance(value, dict | list):
            described[key] = words.listed([str(item) for item in value], 8)
        elif isinstance(value, bool) or value is None:
            described[key] = str(value)
        elif isinstance(value, int | float):
            described[key] = words.count(value) if key != "span_s" else words.milliseconds(value * 1000)
        else:
            described[key] = str(value)
    if "span_s" in described:
        described["span"] = described.pop("span_s")
    return described


def _in_parallel(jobs: Any) -> dict[str, str]:
    """Return how many scenarios ran in parallel, if any did: it makes blackouts longer."""
    if not isinstance(jobs, int) or jobs < 2:
        return {}
    return {"in parallel": f"{jobs} scenarios: counts are exact, blackouts are longer than in a run of one scenario"}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: Any) -> dict[str, str]:
    return {str(key): str(text) for key, text in _dict(value).items()}
