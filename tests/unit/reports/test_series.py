"""Thinning keeps what matters."""

from __future__ import annotations

import pandas as pd
from cutover_reports.series import columns, thin
from hypothesis import given
from hypothesis import strategies as st

values = st.lists(st.integers(0, 10_000), min_size=1, max_size=2000)


@given(values, st.integers(4, 300))
def test_no_extreme_is_lost_and_the_bound_holds(numbers: list[int], points: int) -> None:
    series = pd.Series(numbers, dtype=float)
    thinned = thin(series, points)
    assert len(thinned) <= max(points, 4)
    assert thinned.max() == series.max()
    assert thinned.min() == series.min()
    assert thinned.index.is_monotonic_increasing
    assert thinned.index[0] == series.index[0]
    assert thinned.index[-1] == series.index[-1]
    assert (series.loc[thinned.index] == thinned).all()


def test_one_second_of_silence_in_an_hour_is_still_drawn() -> None:
    series = pd.Series([240.0] * 3600)
    series.iloc[1817] = 0
    assert thin(series, 300).loc[1817] == 0


def test_a_short_series_stays_whole() -> None:
    series = pd.Series([1.0, 2.0, 3.0])
    assert thin(series, 60) is series


def test_columns_hold_steps_of_tenths() -> None:
    series = pd.Series([3.0, 4.25], index=[0.5, 1.5])
    assert columns(series) == {"t": [5, 10], "v": [3, 4.2]}
