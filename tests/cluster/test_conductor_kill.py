"""A conductor that is killed again and again, at random moments, runs the same path to the same end.

Six kills by default; CUTOVER_KILLS=50 spreads so many over as many paths as that takes.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from cutover_harness.judge.model import Report
from cutover_harness.plan.load import find
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.run import Rehearsal
from cutover_harness.rehearsal.settings import Settings
from cutover_scenarios import sample_capture

KILLS = 6
RUN_S = 20.0
"""About how long a path takes at least, within which the moments are chosen; after its end nothing is killed."""
PATHS = ("in-process", "stop-first", "rollback-from-6-reverse", "rollback-from-4")
RUNS = -(-int(os.environ.get("CUTOVER_KILLS", KILLS)) // KILLS)


class Quiet:
    def step(self, number: int, total: int, step: str, stage: int) -> None: ...
    def waiting(self, gate: str, waits_for: str, elapsed_s: float, deadline_s: float) -> None: ...
    def opened(self, gate: str, evidence: str, elapsed_s: float) -> None: ...
    def note(self, text: str) -> None: ...
    def lag(self, records: int) -> None: ...


def run(scenario: Scenario, folder: Path, moments: list[float]) -> tuple[Report, Rehearsal]:
    settings = Settings(out=folder, capture=sample_capture(), command="", seed=1)
    rehearsal = Rehearsal(scenario, settings, folder, 1, Quiet(), moments)
    rehearsal.run_path()
    return rehearsal.finish(), rehearsal


@pytest.mark.parametrize("seed", range(1, RUNS + 1))
def test_a_conductor_killed_at_random_moments_ends_as_an_undisturbed_one(tmp_path: Path, seed: int) -> None:
    scenario = find(PATHS[(seed - 1) % len(PATHS)])
    chance = random.Random(seed)  # noqa: S311
    moments = sorted(chance.uniform(0.3, RUN_S) for _ in range(KILLS))
    report, rehearsal = run(scenario, tmp_path / "killed", moments)
    hits = [
        precondition for precondition in report.verdict.preconditions if precondition.name == "fault kill conductor hit"
    ]
    assert len(hits) == KILLS
    assert all(hit.held for hit in hits)
    assert report.verdict.outcome == "PASS", report.verdict
    assert rehearsal.facts.path == [step.step for step in scenario.path]
