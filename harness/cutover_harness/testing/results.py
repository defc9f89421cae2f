"""Results of rehearsals within a pytest process, for tests and for the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover_harness.judge.model import Judgement, RunFacts, Verdict
from cutover_harness.plan.scenario import Scenario
from cutover_harness.testing.explain import explain


@dataclass(frozen=True)
class Result:
    """The result of a rehearsal: `verdict` and `judgement` as in `folder`/verdict.json, `facts` as in run.json."""

    scenario: Scenario
    folder: Path
    verdict: Verdict
    judgement: Judgement
    facts: RunFacts

    def __str__(self) -> str:
        """Return the verdict, its reasons and the first offending records."""
        return explain(self.scenario, self.verdict, self.judgement, self.folder)

    def __repr__(self) -> str:
        """Return the verdict in one line, for assertions."""
        reasons = "; ".join(self.verdict.reasons)
        return f"<{self.verdict.outcome} {self.scenario.name}{': ' if reasons else ''}{reasons}>"


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsal as the report needs it. scenario: the name of its folder, unique within the session.

    asserted: the test is the scenario, and fails unless the outcome is PASS.
    """

    scenario: str
    text: str
    asserted: bool
    outcome: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    target_kind: str = ""
    error: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "scenario": self.scenario,
            "asserted": self.asserted,
            "outcome": self.outcome,
            "environment": self.environment,
            "target_kind": self.target_kind,
            "error": self.error,
        }
