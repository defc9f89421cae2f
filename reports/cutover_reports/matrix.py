"""Tables over scenarios: the path matrix and the trend over runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from cutover_harness.judge.totals import NOT_REHEARSED, longest, worst

from cutover_reports import words
from cutover_reports.model import Cell, Matrix, Run, Scenario, TrendPoint

NO_FAULT = "no fault"


def frame(scenarios: Sequence[Scenario]) -> pd.DataFrame:
    """Return one row a scenario, with the columns that tables and comparisons need."""
    plain = _plain_names(scenarios)
    rows = [
        {
            "id": scenario.id,
            "run": scenario.run,
            "name": scenario.name,
            "path": _row_of(scenario, plain),
            "fault": " + ".join(scenario.faults) or NO_FAULT,
            "outcome": scenario.outcome,
            **{measure.name: getattr(scenario, measure.name) for measure in words.SCENARIO_COLUMNS},
            "duplicated": scenario.duplicated_total,
            "producer_blackout_ms": scenario.producer_blackout_ms,
            "consumer_blackout_ms": scenario.consumer_blackout_ms,
            "worst_lag_records": scenario.worst_lag_records,
        }
        for scenario in scenarios
    ]
    return pd.DataFrame(rows)


def matrix(scenarios: Sequence[Scenario]) -> Matrix:
    """Return path by fault; a cell holds the worst of its scenarios."""
    if not scenarios:
        return Matrix(paths=[], faults=[], cells=[])
    table = frame(scenarios)
    by_id = {scenario.id: scenario for scenario in scenarios}
    cells = [
        _cell(str(path), str(fault), [by_id[name] for name in group["id"]])
        for (path, fault), group in table.groupby(["path", "fault"], sort=False)
    ]
    order = {str(row): place for row, place in zip(table["path"], [_place(s) for s in scenarios], strict=True)}
    faults = sorted(table["fault"].unique(), key=lambda fault: (fault != NO_FAULT, fault))
    return Matrix(paths=sorted(order, key=lambda path: order[path]), faults=faults, cells=cells)


def trend(scenarios: Sequence[Scenario], runs: Sequence[Run]) -> list[TrendPoint]:
    """Return the figures of scenarios that ran more than once, oldest first; empty if there are none."""
    if not scenarios:
        return []
    table = frame(scenarios)
    repeated = set(table["name"].value_counts().loc[lambda number: number > 1].index)
    points = [
        TrendPoint(
            run=scenario.run,
            scenario=scenario.name,
            started=runs[scenario.run].started,
            seed=runs[scenario.run].seed,
            outcome=scenario.outcome,
            lost=scenario.lost,
            duplicated=scenario.duplicated_total,
            reordered=scenario.reordered,
            blackout_ms=longest((scenario.producer_blackout_ms, scenario.consumer_blackout_ms)),
            worst_lag_records=scenario.worst_lag_records,
        )
        for scenario in scenarios
        if scenario.name in repeated
    ]
    return sorted(points, key=lambda point: (point.scenario, point.started or "", point.run))


def _place(scenario: Scenario) -> tuple[int, int]:
    """Return the sort key of a path: switchovers, then rollbacks by stage, then negative controls."""
    return {"switchover": 0, "rollback": 1, "control": 2}[scenario.kind], scenario.rollback_stage or 0


def _cell(path: str, fault: str, scenarios: Sequence[Scenario]) -> Cell:
    causes = scenarios[0].duplicated
    lost = [scenario.lost for scenario in scenarios]
    lags = [scenario.worst_lag_records for scenario in scenarios if scenario.worst_lag_records is not None]
    return Cell(
        path=path,
        fault=fault,
        # A cell has at least one scenario: groupby gives no empty group.
        outcome=worst(scenario.outcome for scenario in scenarios) or NOT_REHEARSED,
        lost=None if any(value is None for value in lost) else max(value or 0 for value in lost),
        destroyed=max(scenario.destroyed for scenario in scenarios),
        duplicated={cause: max(scenario.duplicated[cause] for scenario in scenarios) for cause in causes},
        reordered=max(scenario.reordered for scenario in scenarios),
        blackout_ms=longest(value for s in scenarios for value in (s.producer_blackout_ms, s.consumer_blackout_ms)),
        worst_lag_records=max(lags, default=None),
        control=scenarios[0].kind == "control",
        caught=None if any(scenario.caught is None for scenario in scenarios) else all(s.caught for s in scenarios),
        scenarios=[scenario.id for scenario in scenarios],
    )


def _plain_names(scenarios: Sequence[Scenario]) -> dict[tuple[str, ...], list[str]]:
    """Return the names of the scenarios without faults, by their path."""
    plain: dict[tuple[str, ...], list[str]] = {}
    for scenario in scenarios:
        names = plain.setdefault(tuple(scenario.path), [])
        if not scenario.faults and scenario.name not in names:
            names.append(scenario.name)
    return plain


def _row_of(scenario: Scenario, plain: dict[tuple[str, ...], list[str]]) -> str:
    """Return the row of a scenario: one with a fault is in the row of the one with the same path and no fault."""
    if not scenario.faults or not scenario.path:
        return scenario.name
    names = plain[tuple(scenario.path)]
    return max((n for n in names if scenario.name.startswith(n)), key=len, default=names[0] if names else scenario.name)
