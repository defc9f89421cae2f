"""Render the report as one self-contained HTML file; the template escapes everything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

import vl_convert
from cutover_harness.palette import palette
from cutover_harness.procedure.state import STAGES
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cutover_reports import plans, words
from cutover_reports.build import Built
from cutover_reports.markdown import ROLES, gate_line
from cutover_reports.model import Report, Run, Scenario
from cutover_reports.paths import TAKEN_BACK
from cutover_reports.ranking import only_with
from cutover_reports.reading import Frames, Rhythm
from cutover_reports.scenarios import SYNCHRONISING
from cutover_reports.series import columns

#: The shape next to each word: no status is shown by colour alone.
SHAPES = {
    "GO": "tick", "PASS": "tick", "survives": "tick", "clear": "tick",
    "GO WITH CONDITIONS": "triangle", "tight": "triangle", "condition": "triangle",
    "INCONCLUSIVE": "diamond", "unknown": "diamond", "not rehearsed": "diamond",
    "NO-GO": "cross", "FAIL": "cross", "gives up": "cross", "blocks": "cross",
    "accepted": "ring", "caught": "tick", "not caught": "cross",
    "COMPLETE AND VERIFIED": "tick", "complete and verified": "tick", "done": "tick", "passed": "tick", "equal": "tick",
    "COMPLETE, ACCEPTED UNPROVED": "triangle", "complete, accepted unproved": "triangle", "ROLLED BACK": "triangle",
    "rolled back": "triangle", "COMPLETE, NOT PROVED": "diamond", "complete, not verified": "diamond",
    "complete, not read back": "diamond", "inconclusive": "diamond", "unproved": "diamond", "waiting": "diamond",
    "UNFINISHED": "cross", "unfinished": "cross", "CONTRADICTED": "cross", "contradicted": "cross", "stopped": "cross",
    "missed": "cross", "different": "cross", "not approved": "cross",
    "no violation": "tick", "violation": "cross", "not proved": "diamond", "not explored": "diamond",
}  # fmt: skip
CLASSES = {
    "GO": "go", "GO WITH CONDITIONS": "conditions", "NO-GO": "nogo", "not rehearsed": "unknown",
    "caught": "go", "not caught": "nogo",
    "no violation": "go", "violation": "nogo", "not proved": "conditions", "not explored": "unknown",
    **dict.fromkeys(("COMPLETE AND VERIFIED", "complete and verified", "done", "passed", "equal"), "go"),
    **dict.fromkeys(
        ("COMPLETE, ACCEPTED UNPROVED", "complete, accepted unproved", "ROLLED BACK", "rolled back", "unproved",
         "COMPLETE, NOT PROVED", "complete, not verified", "complete, not read back", "waiting"), "conditions",
    ),
    **dict.fromkeys(
        ("UNFINISHED", "unfinished", "CONTRADICTED", "contradicted", "stopped", "missed", "different", "not approved"),
        "nogo",
    ),
}  # fmt: skip
DUE_NOTE = "records due by the capture: its dips are quiet hours of the recording, not an outage"
TARGETS = {"AutoMQ": "AutoMQ", "stand-in": "a stand-in, not AutoMQ", "unknown": "kind not recorded"}
#: Of more routes than this no scenario that passed is printed in full.
MOST_ON_PAPER = 3


def html(built: Built) -> str:
    """Return the page. Every name, key and error text in it is escaped; no script or style is fetched from anywhere."""
    report = built.report
    template = environment().get_template("report.html.j2")
    titles = {scenario.id: scenario.name for scenario in report.scenarios}
    return template.render(
        report=report,
        several=len(report.runs) > 1,
        roles=ROLES,
        moves=_each(f"{_of(run, 'source')} → {_of(run, 'target')}" for run in report.runs),
        targets=_each(TARGETS[run.target_kind] for run in report.runs),
        captures=_each(capture(run) for run in report.runs),
        controls=[scenario for scenario in report.scenarios if scenario.kind == "control"],
        ordered=sorted(report.scenarios, key=lambda scenario: scenario.kind == "control"),
        on_paper=on_paper(report),
        cells={(cell.path, cell.fault): cell for cell in report.matrix.cells},
        plotted={name for name, series in built.series.items() if series},
        summaries={scenario.id: summary(scenario) for scenario in report.scenarios},
        titles=titles,
        style=Markup(style()),  # noqa: S704 - our own file
        script=Markup(asset("page.js")),  # noqa: S704 - our own file
        vega=Markup(vega()),  # noqa: S704 - the library's own bundle
        data=embedded(
            {
                "spec": json.loads(asset("timeline.vg.json")),
                "scenarios": {
                    s.id: plot(s, built.series.get(s.id, {}), built.rhythms.get(s.id))
                    for s in report.scenarios
                    if built.series.get(s.id)
                },
            }
        ),
    )


def _each(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _of(run: Run, cluster: str) -> str:
    return run.environment.get(cluster) or f"{cluster} not recorded"


def capture(run: Run) -> str:
    """Return the name of a run's capture, and how many records it has."""
    name = run.capture.get("name") or "not recorded"
    return f"{name}, {run.capture['records']} records" if run.capture.get("records") else name


def on_paper(report: Report) -> set[str]:
    """Return the scenarios that are printed in full: those that did not pass, and one of each path that decides."""
    shown = {scenario.id for scenario in report.scenarios if scenario.outcome in ("FAIL", "INCONCLUSIVE")}
    for route in report.routes[:MOST_ON_PAPER]:
        names = [path.name for path in route.paths if path.decides]
        along = [s for s in report.scenarios if s.route == route.name and s.of_path in names[:1] and not s.faults]
        shown |= {scenario.id for scenario in along[:1]}
    return shown


def verdict_word(scenario: Scenario) -> str:
    """Return the verdict as the page shows it: a negative control is caught or not, so that it looks like no damage."""
    if scenario.kind != "control" or scenario.caught is None:
        return scenario.outcome
    return "caught" if scenario.caught else "not caught"


def summary(scenario: Scenario) -> str:
    """Return the content of a time line in words, for readers who cannot see it."""
    stages = [str(mark.stage) for mark in scenario.marks if mark.kind == "stage"]
    backlog = f", after a backlog of {words.count(scenario.backlog_records)}" if scenario.backlog_records else ""
    faults = f" Faults: {', '.join(scenario.faults)}." if scenario.faults else ""
    return (
        f"stages {', '.join(stages) or 'none'}; "
        f"worst mirror lag {words.records(scenario.worst_lag_records)}{backlog}; "
        f"{words.blackouts(scenario)}.{faults}"
    )


def plot(scenario: Scenario, series: Frames, rhythm: Rhythm | None = None) -> dict[str, Any]:
    """Return the data of one time line, as the page's script reads it. Seconds since the scenario started."""
    ends = [float(values.index[-1]) for values in series.values() if len(values)]
    marks = [mark.to_s if mark.to_s is not None else mark.from_s for mark in scenario.marks]
    end = scenario.seconds or max([*ends, *marks], default=1.0)
    return {
        "end": end,
        "stages": _stages(scenario, end),
        **{
            f"{kind}s": [
                {
                    "from": mark.from_s,
                    "to": mark.to_s if mark.to_s is not None else mark.from_s,
                    "label": mark.name,
                    "title": f"{kind} {mark.name}" + (f": {mark.detail}" if mark.detail else ""),
                }
                for mark in scenario.marks
                if mark.kind == kind
            ]
            for kind in ("gate", "step", "fault")
        },
        **{f"{role}Blackouts": _stretches(scenario, role) for role in ("producer", "consumer")},
        "lagMost": scenario.worst_lag_records,
        "lagNote": _lag_note(scenario),
        "backlog": _backlog(scenario),
        "dueNote": DUE_NOTE,
        "rhythm": None if rhythm is None else rhythm.__dict__,
        "series": {name: columns(values) for name, values in series.items()},
    }


def _lag_note(scenario: Scenario) -> str:
    """Return the figures of the lag panel, the same as in the tables."""
    worst = f"worst {words.count(scenario.worst_lag_records)}, from stage 2 on"
    if not scenario.backlog_records:
        return worst
    return f"{worst}; before it a backlog of {words.count(scenario.backlog_records)} is copied, which does not count"


def _backlog(scenario: Scenario) -> list[dict[str, float]]:
    """Return the time before stage 2, in which the mirror copies what was there already."""
    begin = next((mark.from_s for mark in scenario.marks if mark.kind == "stage" and mark.stage == SYNCHRONISING), None)
    return [] if begin is None else [{"from": 0.0, "to": begin}]


def _stretches(scenario: Scenario, role: str) -> list[dict[str, float]]:
    """Return the stretches without acknowledgements or deliveries; stretches that overlap are joined."""
    joined: list[dict[str, float]] = []
    for start, end in sorted((each.from_s, each.to_s) for each in scenario.blackouts if each.role == role):
        if joined and start <= joined[-1]["to"]:
            joined[-1]["to"] = max(joined[-1]["to"], end)
        else:
            joined.append({"from": start, "to": end})
    return joined


def _stages(scenario: Scenario, end: float) -> list[dict[str, Any]]:
    """Return the stretches of time by stage, the last one open to the end."""
    marks = [mark for mark in scenario.marks if mark.kind == "stage" and mark.stage is not None]
    starts = [
        (0.0, 0, STAGES[0]),
        *(
            (mark.from_s, mark.stage or 0, STAGES.get(mark.stage or 0, mark.detail) if mark.stage else TAKEN_BACK)
            for mark in marks
        ),
    ]
    ends = [start for start, _, _ in starts[1:]] + [max(end, starts[-1][0])]
    return [
        {"from": start, "to": stop, "stage": stage, "label": f"{stage} {title}", "title": f"stage {stage}: {title}"}
        for (start, stage, title), stop in zip(starts, ends, strict=True)
        if stop > start
    ]


def environment() -> Environment:
    """Return the templates with the filters that pages use."""
    environment = Environment(
        loader=PackageLoader("cutover_reports", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": words.count,
        "only_with": only_with,
        "ms": words.milliseconds,
        "causes": words.causes,
        "heading": lambda measure: measure.words[:1].upper() + measure.words[1:],
        "shape": lambda word: SHAPES.get(word, "ring"),
        "blackout": words.blackout,
        "verdict": verdict_word,
        "gate": gate_line,
        "measure": words.measure,
        "or_dash": words.or_dash,
        "plan": plans.in_words,
        "inventory": plans.inventory_in_words,
        "seen": words.seen,
        "applied": words.applied,
        "at": words.at,
        "moment": words.moment,
        "duration": words.duration,
        "css": lambda word: CLASSES.get(word, word.lower().replace(" ", "-")),
    }
    environment.globals |= {
        "plural": words.plural,
        "figure": words.figure,
        "scenario_columns": words.SCENARIO_COLUMNS,
        "group_columns": words.GROUP_COLUMNS,
    }
    return environment


def embedded(value: Any) -> Markup:
    """Return JSON for a script element: no text in it can end the element or begin a comment."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def style() -> str:
    """Return the page's style sheet."""
    return palette() + asset("style.css")


def asset(name: str) -> str:
    """Return one of our own files."""
    return (resources.files("cutover_reports") / "assets" / name).read_text("utf-8")


@cache
def vega() -> str:
    """Return the plotting library, Vega with Vega-Embed, as one script of 0.9 MB. Bundling takes about a second."""
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # It holds no end tag today; should it once, this keeps it inside its element.
    return bundle.replace("</script", "<\\/script")
