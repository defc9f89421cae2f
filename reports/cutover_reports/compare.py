"""Changes for the better or worse between two reports."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd
from cutover_harness.judge.totals import OUTCOMES

from cutover_reports import words
from cutover_reports.matrix import frame
from cutover_reports.model import Report
from cutover_reports.routes import DECISIONS

OUTCOME_RANK = {outcome: rank for rank, outcome in enumerate(reversed(OUTCOMES))}
COUNTS = (*(measure.name for measure in words.SCENARIO_COLUMNS), "duplicated")
TIMES = ("producer_blackout_ms", "consumer_blackout_ms")
#: Times and lag vary from run to run: a change counts from a fifth and from this much on.
RELATIVE = 0.2
SMALLEST = {"producer_blackout_ms": 250.0, "consumer_blackout_ms": 250.0, "worst_lag_records": 100.0}


@dataclass(frozen=True)
class Change:
    """One figure of one scenario that changed."""

    scenario: str
    figure: str
    before: str
    after: str
    direction: Literal["better", "worse"]


@dataclass(frozen=True)
class Comparison:
    """All changes, and the scenarios that only one of the two has."""

    before: str
    after: str
    changes: list[Change]
    only_before: list[str]
    only_after: list[str]

    @property
    def worse(self) -> bool:
        """Whether anything got worse, or is not rehearsed any more."""
        return bool(self.only_before) or any(change.direction == "worse" for change in self.changes)

    def as_json(self) -> str:
        """Return the comparison as JSON."""
        return json.dumps(asdict(self) | {"format": 1, "worse": self.worse}, indent=1, ensure_ascii=False) + "\n"

    def as_text(self) -> str:
        """Return the comparison for a terminal, worse before better."""
        lines = [f"before {self.before}, after {self.after}"]
        for direction in ("worse", "better"):
            chosen = [change for change in self.changes if change.direction == direction]
            lines += [f"{direction}: {c.scenario}: {c.figure} {c.before} -> {c.after}" for c in chosen]
        lines += [f"no longer rehearsed: {name}" for name in self.only_before]
        lines += [f"new: {name}" for name in self.only_after]
        if len(lines) == 1:
            lines.append("no significant difference")
        return "\n".join(lines) + "\n"


def compare(before: Report, after: Report) -> Comparison:
    """Compare two reports, scenario by scenario by name (the worst run of each, if there are several)."""
    old, new = _worst(before), _worst(after)
    changes = [change for name in old if name in new for change in _changes(name, old[name], new[name])]
    if before.decision != after.decision:
        worse = DECISIONS.index(after.decision) < DECISIONS.index(before.decision)
        direction: Literal["better", "worse"] = "worse" if worse else "better"
        changes.insert(0, Change("all", "decision", before.decision, after.decision, direction))
    return Comparison(
        before=", ".join(run.folder for run in before.runs),
        after=", ".join(run.folder for run in after.runs),
        changes=changes,
        only_before=[name for name in old if name not in new],
        only_after=[name for name in new if name not in old],
    )


Figures = dict[str, float | None]


def _worst(report: Report) -> dict[str, Figures]:
    """Return the figures of each scenario by its name, each the worst of its runs; None if a figure is not known."""
    figures = [*COUNTS, *TIMES, "worst_lag_records"]
    if not report.scenarios:
        return {}
    table = frame(report.scenarios)
    table["rank"] = table["outcome"].map(OUTCOME_RANK)
    table[figures] = table[figures].apply(pd.to_numeric)
    rows = table.groupby("name", sort=False)[["rank", *figures]].max().to_dict("index")
    return {
        str(name): {str(figure): None if pd.isna(value) else float(value) for figure, value in row.items()}
        for name, row in rows.items()
    }


def _changes(name: str, old: Figures, new: Figures) -> list[Change]:
    by_rank: dict[float | None, str] = {rank: outcome for outcome, rank in OUTCOME_RANK.items()}
    found = []
    if old["rank"] != new["rank"]:
        worse = (new["rank"] or 0) > (old["rank"] or 0)
        found.append(_change(name, "outcome", by_rank[old["rank"]], by_rank[new["rank"]], worse=worse))
    for figure in (*COUNTS, *TIMES, "worst_lag_records"):
        first, second = old[figure], new[figure]
        if first is None or second is None:
            changed = first is not second
            worse = second is None
        else:
            least = 1.0 if figure in COUNTS else max(SMALLEST[figure], RELATIVE * first)
            changed = abs(second - first) >= least
            worse = second > first
        if changed:
            found.append(_change(name, figure, _text(figure, first), _text(figure, second), worse=worse))
    return found


def _change(name: str, figure: str, before: str, after: str, *, worse: bool) -> Change:
    return Change(name, figure.removesuffix("_ms").replace("_", " "), before, after, "worse" if worse else "better")


def _text(figure: str, value: float | None) -> str:
    return words.milliseconds(value) if figure in TIMES else words.count(value)
