"""What a scenario expects, in the judge's terms."""

from __future__ import annotations

from cutover_harness.judge.measures import CAUSES, COUNTS
from cutover_harness.judge.model import Expectation
from cutover_harness.plan.scenario import Scenario


def expectation(scenario: Scenario) -> Expectation:
    """Return the expectation that the judge decides by."""
    expect = scenario.expect
    return Expectation(
        limits={name: expect.limit(name) for name in (*COUNTS, *CAUSES)},
        must_fail=expect.must_fail,
        documented=scenario.documented,
        max_blackout_ms=expect.max_blackout_ms,
    )
