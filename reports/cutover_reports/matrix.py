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
    rows = [
        {
            "id": scenario.id,
            "run": scenario.run,
            "name": scenario.name,
            "path": _column(scenario, scenarios),
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
    """Return faults by path; a cell holds the worst of its scenarios."""
    chosen = [scenario for scenario in scenarios if scenario.of_path is not None]
    if not chosen:
        return Matrix(paths=[], faults=[], cells=[])
    table = frame(chosen)
    by_id = {scenario.id: scenario for scenario in chosen}
    cells = [
        _cell(str(path), str(fault), [by_id[name] for name in group["id"]])
        for (path, fault), group in table.groupby(["path", "fault"], sort=False)
    ]
    faults = sorted(table["fault"].unique(), key=lambda fault: (fault != NO_FAULT, fault))
    return Matrix(paths=[str(path) for path in table["path"].unique()], faults=faults, cells=cells)


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
        scenarios=[scenario.id for scenario in scenarios],
    )


def _column(scenario: Scenario, scenarios: Sequence[Scenario]) -> str | None:
    """Return the path of a scenario; with its route if there are several."""
    several = len({each.route for each in scenarios}) > 1
    return f"{scenario.route}: {scenario.of_path}" if several and scenario.of_path is not None else scenario.of_path
