"""When the records of a capture are due in a replay."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.replay.rhythm import rhythm

SAMPLE = Path(__file__).parents[3] / "scenarios" / "cutover_scenarios" / "flights-2013-01-week1.parquet"
SPEED = 20_652.0


def test_every_record_is_due_once_in_a_pass() -> None:
    found = rhythm(SAMPLE, None, SPEED, 7)
    assert found["start_ns"] == 7
    assert found["loop_s"] == pytest.approx(30.0, abs=0.1)
    assert sum(found["due"]) == 12_658


def test_the_nights_of_the_sample_are_quiet() -> None:
    due = rhythm(SAMPLE, None, SPEED, 0)["due"]
    busy = sorted(due)[len(due) // 2]
    # The sample has a week of flights: seven nights, in each of them hardly any.
    dips = [here for before, here, after in zip(due, due[1:], due[2:], strict=False) if here <= min(before, after)]
    assert sum(dip < busy / 3 for dip in dips) >= 6


def test_topics_that_are_not_replayed_are_not_due() -> None:
    assert 0 < sum(rhythm(SAMPLE, None, SPEED, 0, ["weather.observed"])["due"]) < 12_658
    assert sum(rhythm(SAMPLE, None, SPEED, 0, ["nothing"])["due"]) == 0
