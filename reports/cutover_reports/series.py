"""Series for the plots: per-second counts and lag samples, thinned without losing a peak or a gap."""

from __future__ import annotations

import numpy as np
import pandas as pd


def thin(series: pd.Series[float], points: int) -> pd.Series[float]:
    """Return at most `points` rows of `series` (index: seconds, ascending), the extremes of every stretch among them.

    The range is cut into `points / 2` stretches of equal length; of each, the smallest and the largest value stay, in
    their own places. A blackout of one second in an hour is still drawn as one.
    """
    if len(series) <= points:
        return series
    values = series.to_numpy(dtype=float)
    # The first and last row stay too: the line spans the run.
    stretches = max(1, (points - 2) // 2)
    edges = np.linspace(0, len(values), stretches + 1).astype(int)[:-1]
    stretch = np.repeat(np.arange(stretches), np.diff(np.append(edges, len(values))))
    order = np.lexsort((values, stretch))
    starts = np.searchsorted(stretch[order], np.arange(stretches), side="left")
    ends = np.searchsorted(stretch[order], np.arange(stretches), side="right") - 1
    keep = np.unique(np.concatenate([order[starts], order[ends], [0, len(values) - 1]]))
    return series.iloc[keep]


def columns(series: pd.Series[float]) -> dict[str, list[float]]:
    """Return `series` as two short lists for the page.

    `t`: tenths of a second, the first since the start, each other since the one before. `v`: values to one decimal.
    """
    tenths = np.rint(series.index.to_numpy(dtype=float) * 10).astype(int)
    values = np.round(series.to_numpy(dtype=float), 1).tolist()
    return {
        "t": np.diff(tenths, prepend=0).tolist(),
        "v": [int(value) if float(value).is_integer() else value for value in values],
    }
