"""The report in Markdown: short enough for a pull request comment, and safe in one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cutover_harness.markdown import table
from cutover_harness.masking import visible

from cutover_reports import plans, words
from cutover_reports.model import Explored, PathReport, Report, Risk, RouteReport, Run, Scenario
from cutover_reports.model_explored import ExploredGate
from cutover_reports.ranking import only_with

#: GitHub's limit of a comment is 65 536 characters; the tables of passed scenarios are cut before it is reached.
MOST_ROWS = 120
ROLES = ("Prepared by", "Approved by", "Application owner")
STATES = {"within": "within", "beyond": "BEYOND", "no limit": "no limit set", "unknown": "not known"}
#: Characters that Markdown formats or links; a colon only in a URL, to keep plain sentences readable in the source.
SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&!@]|:(?=//)|(?<=www)\.)", re.IGNORECASE)


def markdown(report: Report) -> str:
    """Return the report in GitHub-flavoured Markdown. Names and error texts are escaped: they stay text."""
    parts = [
        f"# Cutover risk report: {report.decision}",
        text(report.headline),
        *(text(route.recommendation) for route in report.routes if route.paths),
        *_first_screen(report),
        *_missing(report),
        *(line for route in report.routes for line in _route(route)),
        *_matrix(report),
        *_scenarios(report.scenarios),
        *_problems(report.scenarios),
        *_rollbacks(report),
        *_reach(report),
        *_clients(report),
        *_traffic(report.scenarios),
        *_unproved(report),
        *_trend(report),
        *_grounds(report.runs),
        "## Repeat it",
        *(f"    {_line(run.command)}" for run in report.runs),
        *_explored(report.explored),
    ]
    return "\n\n".join(parts) + "\n"


def text(value: object) -> str:
    """Return `value` as text that Markdown neither formats nor links; a line break becomes a space."""
    return SPECIAL.sub(r"\\\1", _line(value))


def _line(value: object) -> str:
    return visible(re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", str(value)).strip())


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return table(head, ([text(cell) for cell in row] for row in rows)).removesuffix("\n")


def _items(items: Iterable[str]) -> str:
    return "\n".join(f"- {text(item)}" for item in items)


def _grounds(runs: Sequence[Run]) -> list[str]:
    rows: list[tuple[str, str, str]] = []
    for run in runs:
        rows += [(run.folder, "target kind", run.target_kind)]
        if run.plan is not None:
            rows += [(run.folder, "plan", plans.in_words(run.plan))]
            rows += [(run.folder, "inventory", plans.inventory_in_words(run.plan))]
        rows += [(run.folder, key, value) for key, value in run.environment.items()]
        rows += [
            (run.folder, "capture", "; ".join(f"{key} {value}" for key, value in run.capture.items()) or "not recorded")
        ]
        rows += [
            (run.folder, "started", run.started or "not recorded"),
            (run.folder, "seed", "not recorded" if run.seed is None else str(run.seed)),
        ]
    if len(runs) == 1:
        return [_table(("rehearsed on", ""), [row[1:] for row in rows])]
    return [_table(("run", "rehearsed on", ""), rows)]


def _missing(report: Report) -> list[str]:
    return ["## This report is not complete", _items(report.missing)] if report.missing else []


def _first_screen(report: Report) -> list[str]:
    """Return what the one who signs needs: figures with their limits, conditions with their commands, the sign-off."""
    rows = [(f.title, f.value, f.limit, STATES[f.state], f.note or "-") for f in report.figures]
    parts = ["## Key figures", _table(("figure", "worst measured", "limit", "", "note"), rows)] if rows else []
    several = len(report.routes) > 1
    lines: list[str] = []
    for route in report.routes:
        for risk in route.risks:
            if risk.level in ("blocks", "condition"):
                name = f"{route.name}: " if several else ""
                lines.append(f"- {risk.level.upper()} {text(f'{name}{risk.title} {risk.answer}.')}")
                lines += [f"  {code(risk.command)}"] if risk.command else []
    if lines:
        parts += ["## Conditions, each with the command that removes it", "\n".join(lines)]
    if report.then:
        parts += [f"Then one report of all runs: {code(report.then)}"]
    return [*parts, "## Sign-off", _table(("", "name", "date", "signature"), [(role, "", "", "") for role in ROLES])]


def code(command: str) -> str:
    """Return a command as inline code, between more backticks than it has in a row."""
    line = _line(command)
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _route(route: RouteReport) -> list[str]:
    parts = [f"## Route {text(route.name)}: {route.decision}"]
    if route.path is not None:
        parts.append(text(f"The verdict is that of the path {route.path}, {route.path_from}."))
    if route.reasons:
        parts += ["Blocked by:" if route.decision == "NO-GO" else "Not proved:", _items(route.reasons)]
    if route.not_counted:
        parts += ["Decides nothing:", _items(route.not_counted)]
    if route.paths:
        rows = [(_path(path), path.decision, *_cost(path), f"{path.passed} of {path.runs}") for path in route.paths]
        head = ("path, the best first", "verdict", "lost", "reordered", "read twice", "producers' blackout",
                "consumers' blackout", "passed")  # fmt: skip
        parts.append(_table(head, rows))
    risks = [(risk.title, risk.answer, risk.level, likelihood(risk), risk.threshold) for risk in route.risks]
    parts.append(_table(("question", "answer", "level", "likelihood", "accepted"), risks))
    return parts


def _path(path: PathReport) -> str:
    return f"{path.rank}. {path.name}" + (f" ({only_with(path)})" if path.only_with else "")


def _cost(path: PathReport) -> tuple[str, ...]:
    return (
        words.count(path.lost),
        words.count(path.reordered),
        words.count(path.duplicated),
        words.or_dash(path.producer_blackout_ms),
        words.or_dash(path.consumer_blackout_ms),
    )


def _matrix(report: Report) -> list[str]:
    """Return the faults along each path; nothing if no fault was injected."""
    matrix = report.matrix
    if len(matrix.faults) < 2:
        return []
    cells = {(cell.path, cell.fault): cell.outcome for cell in matrix.cells}
    rows = [(fault, *(cells.get((path, fault), "-") for path in matrix.paths)) for fault in matrix.faults]
    return ["## Faults by path", _table(("fault", *matrix.paths), rows)]


def likelihood(risk: Risk) -> str:
    """Return how likely a risk is, in words, and in runs if it was counted in runs."""
    return risk.likelihood if risk.at_most is None else f"{risk.likelihood} ({risk.occurred} of {risk.runs} runs)"


def _scenarios(scenarios: Sequence[Scenario]) -> list[str]:
    # Scenarios that did not pass come first: only passed ones are cut off.
    kept = [scenario for scenario in scenarios if scenario.kind != "control"]
    chosen = sorted(kept, key=lambda scenario: scenario.outcome == "PASS")[:MOST_ROWS]
    head = (
        "scenario",
        "verdict",
        *(measure.words for measure in words.SCENARIO_COLUMNS),
        "duplicated",
        "worst lag",
        "producers' blackout",
        "consumers' blackout",
    )
    rows = [
        (
            scenario.name,
            outcome(scenario),
            *(words.figure(scenario, measure.name) for measure in words.SCENARIO_COLUMNS),
            words.causes(scenario.duplicated),
            words.count(scenario.worst_lag_records),
            words.blackout(scenario, "producer"),
            words.blackout(scenario, "consumer"),
        )
        for scenario in chosen
    ]
    parts = ["## Scenarios", _table(head, rows)]
    if len(chosen) < len(kept):
        parts.append(f"{len(kept) - len(chosen)} more, all passed, are in report.html and report.json.")
    return [*parts, *_controls([scenario for scenario in scenarios if scenario.kind == "control"])]


def _controls(controls: Sequence[Scenario]) -> list[str]:
    """Return the negative controls apart from the others: their damage is required, and no finding."""
    if not controls:
        return []
    rows = [
        (
            scenario.name,
            outcome(scenario),
            ", ".join(words.measure(name) for name in scenario.must_fail),
            "; ".join(scenario.reasons) or "-",
        )
        for scenario in controls
    ]
    return ["## Negative controls", _table(("control", "verdict", "has to show", "showed"), rows)]


def outcome(scenario: Scenario) -> str:
    """Return the verdict in words; of a negative control, whether it was caught."""
    if scenario.kind == "control" and scenario.caught is not None:
        return f"{scenario.outcome} (control, {'caught' if scenario.caught else 'not caught'})"
    return scenario.outcome


def _problems(scenarios: Sequence[Scenario]) -> list[str]:
    parts = []
    for scenario in scenarios:
        if scenario.outcome == "PASS":
            continue
        parts.append(f"### {text(scenario.name)}: {scenario.outcome}")
        given = " ".join(scenario.reasons)
        preconditions = [
            f"precondition not met: {each.name}: {each.evidence}"
            for each in scenario.preconditions
            if not each.held and each.name not in given
        ]
        offenders = [
            f"{o.kind}: {o.topic}-{o.partition} offset {o.offset} on {o.cluster}, key {o.key!r}, "
            f"sequence {o.sequence}; {', '.join(o.ledgers)}"
            for o in scenario.offenders[:5]
        ]
        parts.append(_items([*scenario.reasons, *preconditions, *offenders]))
    return ["## What went wrong", *parts] if parts else []


def _rollbacks(report: Report) -> list[str]:
    rows = [
        (
            card.route,
            f"{card.stage} {card.title}",
            card.outcome or "not rehearsed",
            "; ".join(card.measured) or "-",
            card.grows,
            card.documented,
            card.possible_until,
        )
        for card in report.rollbacks
    ]
    head = ("route", "turning back from stage", "verdict", "measured here", "grows", "documented", "possible until")
    return ["## Rollback", _table(head, rows)] if rows else []


def _reach(report: Report) -> list[str]:
    if not report.reach:
        return []
    head = ("channel", "generations by clients", "seen: median, 99 %, longest", "carried out: median, 99 %, longest",
            "never seen by", "producers' blackout", "consumers' blackout")  # fmt: skip
    rows = [
        (row.title, words.count(row.arrivals), words.seen(row), words.applied(row), "; ".join(row.never) or "-",
         words.or_dash(row.producer_blackout_ms), words.or_dash(row.consumer_blackout_ms))
        for row in report.reach
    ]  # fmt: skip
    return ["## How the endpoint change reaches the clients", _table(head, rows), *map(text, report.reach_notes)]


def _clients(report: Report) -> list[str]:
    rows = [
        (row.client, row.setting, f"{words.count(row.value)} {row.unit}", words.count(row.rehearsed),
         "unknown" if row.used is None else f"{100 * row.used:.0f} %", row.outcome)
        for row in report.survival
    ]  # fmt: skip
    return ["## Client survival", _table(("client", "setting", "value", "rehearsed", "used", ""), rows)]


def _traffic(scenarios: Sequence[Scenario]) -> list[str]:
    """Return which figures of the plan's traffic were measured, and which were assumed."""
    lines = [f"{scenario.name}: {line}" for scenario in scenarios for line in scenario.traffic]
    return ["## Traffic of the plan", _items(lines)] if lines else []


def _unproved(report: Report) -> list[str]:
    return [
        "## Not rehearsed",
        _items(f"{item.what}. Leaves open: {item.leaves_open}. How: {item.how}." for item in report.unproved),
    ]


def _trend(report: Report) -> list[str]:
    if not report.trend:
        return []
    rows = [
        (
            point.scenario,
            point.started or f"run {point.run + 1}",
            "-" if point.seed is None else str(point.seed),
            point.outcome,
            words.count(point.lost),
            words.count(point.duplicated),
            words.count(point.reordered),
            words.milliseconds(point.blackout_ms),
            words.count(point.worst_lag_records),
        )
        for point in report.trend
    ]
    return [
        "## Trend",
        _table(
            ("scenario", "run", "seed", "verdict", "lost", "duplicated", "reordered", "longest blackout", "worst lag"),
            rows,
        ),
    ]


def _explored(explored: Explored) -> list[str]:
    """Return what was explored: a row for each path and world, then traces and gates."""
    if explored.file is None:
        return ["## Explored", text(explored.note), f"    {_line(explored.command)}"]
    head = ("path", "world", "result", "states", "depth", "bounds", "violations", "why it proves nothing or less")
    rows = [
        (
            row.path,
            row.world or "-",
            row.result.upper() if row.result == "violation" else row.result,
            _or_dash(row.states),
            _or_dash(row.depth),
            row.bounds or "-",
            _or_dash(row.violations),
            "; ".join(row.why) or "-",
        )
        for row in explored.paths
    ]
    parts = ["## Explored", text(explored.note), _table(head, rows)] if rows else ["## Explored", text(explored.note)]
    for row in explored.paths:
        if row.trace:
            lines = [f"{number}. {text(line)}" for number, line in enumerate(row.trace, start=1)]
            parts += [text(f"Violation on {row.path}, {row.world}:"), "\n".join(lines)]
        if row.gates:
            parts += [
                text(f"Gates of {row.path}, {row.world}, and the damage that each prevents:"),
                _items(gate_line(gate) for gate in row.gates),
            ]
    return [
        *parts,
        text(f"Explored by kafka-cutover {explored.product}, code {explored.procedure}, file {explored.file}."),
    ]


def _or_dash(number: int | None) -> str:
    return "-" if number is None else words.count(number)


def gate_line(gate: ExploredGate) -> str:
    """Return a gate with the damage that it prevents, in one line."""
    if gate.prevents is None:
        return f"{gate.gate}: {gate.note}"
    return f"{gate.gate}: {gate.prevents}" + (f" ({gate.note})" if gate.note else "")
