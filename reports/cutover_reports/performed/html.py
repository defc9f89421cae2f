"""Render the report of a cutover as one self-contained HTML file, in the design of the rehearsals' report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
from cutover_harness.procedure.state import STAGES
from cutover_harness.procedure.steps import step_of
from cutover_harness.words import counted
from markupsafe import Markup

from cutover_reports.html import asset, embedded, environment, style, vega
from cutover_reports.performed.first_screen import ROLES, key_figures
from cutover_reports.performed.model import Batch, CutoverReport, GateRecord
from cutover_reports.performed.rehearsed import longest
from cutover_reports.performed.times import seconds
from cutover_reports.series import columns, thin

_POINTS = 1500
_ROOM = 1.02
"""The time line is so much longer than the run, so that its last stage can be seen."""
_HEIGHT = 178
_LAG_AT = 112


def html(report: CutoverReport) -> str:
    """Return the page. Every name and text in it is escaped; no script or style is fetched from anywhere."""
    batches = [*report.batches, *report.earlier]
    plots = {identity(number): plot(batch) for number, batch in enumerate(batches, start=1) if batch.begun}
    return (
        environment()
        .get_template("performed.html.j2")
        .render(
            report=report,
            batches=[(identity(number), batch) for number, batch in enumerate(batches, start=1)],
            plotted=set(plots),
            figures=key_figures(report),
            roles=ROLES,
            longest=longest,
            read_again=read_again,
            summary=summary,
            asks_again=asks_again,
            style=Markup(style()),  # noqa: S704 - our own file
            script=Markup(asset("page.js")),  # noqa: S704 - our own file
            vega=Markup(vega()),  # noqa: S704 - the library's own bundle
            data=embedded({"spec": spec(), "scenarios": plots}),
        )
    )


def identity(number: int) -> str:
    """Return the anchor of a batch; page.js opens those that begin with an s."""
    return f"s{number}"


def read_again(batch: Batch, cluster: str = "target") -> int | None:
    """Return how many records the groups have read again on a cluster at most, None if that is not known."""
    known = [each.at_most for each in batch.read_again if each.cluster == cluster]
    return None if not known or None in known else sum(each for each in known if each is not None)


def asks_again(batch: Batch) -> int:
    """Return how many gates were asked again."""
    return sum(gate.again for step in batch.steps for gate in step.gates)


def summary(batch: Batch) -> str:
    """Return the content of a time line in words, for readers who cannot see it."""
    done = [step.name for step in batch.steps if step.state == "done" and step.number > 0]
    worst = max((point.records for point in batch.lag), default=None)
    lag = "not read" if worst is None else f"{counted(worst, 'record')} at most"
    return f"steps done: {', '.join(done) or 'none'}; mirror lag {lag}."


def plot(batch: Batch) -> dict[str, Any]:
    """Return the data of one time line, as the page's script reads it. Seconds since the batch began."""
    start, end = seconds(batch.begun) or 0.0, seconds(batch.ended) or 0.0
    length = max(1.0, round((end - start) * _ROOM, 1))

    def at(text: str | None) -> float:
        moment = seconds(text)
        return 0.0 if moment is None else round(min(max(0.0, moment - start), length), 2)

    gates = [gate for step in batch.steps for gate in step.gates]
    lags = pd.Series([float(p.records) for p in batch.lag], index=[at(p.at) for p in batch.lag], dtype=float)
    return {
        "end": length,
        "stages": _stages(batch, at, length),
        "steps": [
            {"from": at(s.begun), "to": at(s.done or s.begun), "label": s.name, "title": f"step {s.name}"}
            for s in batch.steps
            if s.begun is not None
        ],
        "gates": [_gate(each, at) for each in gates if each.begun is not None],
        "faults": [],
        **{
            f"{role}Blackouts": [
                {"from": at(each.last), "to": at(each.first)}
                for each in batch.blackouts
                if each.role == role and each.seconds is not None
            ]
            for role in ("producer", "consumer")
        },
        "series": {"lag": columns(thin(lags.sort_index(), _POINTS))} if len(lags) else {},
    }


def _gate(gate: GateRecord, at: Any) -> dict[str, Any]:
    title = f"gate {gate.name}: {gate.evidence}"
    return {"from": at(gate.begun), "to": at(gate.ended or gate.begun), "label": gate.name, "title": title}


def _stages(batch: Batch, at: Any, end: float) -> list[dict[str, Any]]:
    """Return the stretches of time by stage; the stage of a step begins when it is done."""
    from cutover_harness.procedure.state import ImpossibleStepError, RouteState  # noqa: PLC0415 - for this alone

    state, starts = RouteState(), [(0.0, 0)]
    for step in sorted((s for s in batch.steps if s.done and s.number > 0), key=lambda s: str(s.done)):
        try:
            state = step_of(step.name).after(state)
        except (ImpossibleStepError, ValueError):
            break
        if state.stage != starts[-1][1]:
            starts.append((at(step.done), state.stage))
    ends = [*(start for start, _ in starts[1:]), end]
    return [
        {"from": begin, "to": to, "stage": n, "label": f"{n} {STAGES[n]}", "title": f"stage {n}: {STAGES[n]}"}
        for (begin, n), to in zip(starts, ends, strict=True)
        if to > begin
    ]


def spec() -> dict[str, Any]:
    """Return the time line's specification: that of a rehearsal, with blackouts as bars and without its traffic."""
    found: dict[str, Any] = json.loads(asset("timeline.vg.json"))
    marks: Sequence[dict[str, Any]] = found["marks"]
    labels = [_label("producers", 57), _label("consumers", 77)]
    bars = [_bars("producerBlackouts", 47), _bars("consumerBlackouts", 67)]
    panel = next(mark for mark in marks if mark.get("name") == "lag-panel")
    panel["encode"]["enter"]["y"]["value"] = _LAG_AT
    axis, pointer = marks[-2], marks[-1]
    axis["encode"]["enter"]["y"]["value"] = _HEIGHT
    for mark in pointer["marks"]:
        mark["encode"]["enter"]["y2"]["value"] = _HEIGHT
    pointer["encode"]["enter"]["height"]["value"] = _HEIGHT
    titles = [mark for mark in marks if mark["type"] == "text" and _text(mark) in ("stage", "steps, gates")]
    rows = [mark for mark in marks if mark["type"] == "group" and _y(mark) in (0, 24) and mark is not marks[0]]
    rows = [mark for mark in rows if mark is not pointer]
    found["marks"] = [*titles, *labels, *rows, *bars, panel, axis, pointer]
    found["height"] = _HEIGHT + 32
    return found


def _text(mark: dict[str, Any]) -> Any:
    return mark["encode"]["enter"].get("text", {}).get("value")


def _y(mark: dict[str, Any]) -> Any:
    return mark["encode"]["enter"].get("y", {}).get("value")


def _label(text: str, y: int) -> dict[str, Any]:
    enter: dict[str, Any] = {"x": -8, "y": y, "text": text, "align": "right", "baseline": "middle"}
    encoded = {name: {"value": value} for name, value in enter.items()} | {"fill": {"value": "var(--muted)"}}
    return {"type": "text", "interactive": False, "encode": {"enter": encoded}}


def _bars(data: str, y: int) -> dict[str, Any]:
    update = {
        "x": {"scale": "x", "field": "from"},
        "x2": {"signal": "max(scale('x', datum.to), scale('x', datum.from) + 3)"},
        "y": {"value": 4},
        "y2": {"value": 16},
        "fill": {"value": "var(--fault)"},
    }
    return {
        "type": "group",
        "clip": True,
        "encode": {"enter": {"y": {"value": y}, "height": {"value": 20}}, "update": {"width": {"signal": "width"}}},
        "marks": [{"type": "rect", "from": {"data": data}, "encode": {"update": update}}],
    }
