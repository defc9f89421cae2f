"""`rehearse --all` on a healthy product: every scenario passes, and on a stand-in the report is a go with conditions.

The scenarios are the catalogue's own, their figures at the most that each allows.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.judge.model import Destroyed, Duplicated, Expectation, Judgement, Mark, Report, RunFacts, Verdict
from cutover_harness.judge.verdicts import verdict
from cutover_harness.plan.load import load_all
from cutover_harness.plan.scenario import Scenario
from cutover_harness.procedure.names import StepName
from cutover_harness.rehearsal.expected import expectation
from cutover_reports import write_report
from cutover_reports.build import build
from cutover_reports.model import Report as RiskReport

from tests.unit.reports.run_folders import START_NS, Shape, facts_of, judgement_of, rehearsal

#: What a figure is where a scenario allows any, as measured: 754 records were destroyed, 312 stranded, 351 read again.
DESTROYED, STRANDED, AGAIN = 754, 312, 351
CATALOGUE = {scenario.name: scenario for scenario in load_all()}


def steps_run(scenario: Scenario) -> list[str]:
    """Return the steps that are run: of a path that turns back, those up to its last fault, and the way back."""
    acts = [str(step.step) for step in scenario.path]
    if scenario.expect.ends != "turned-back":
        return acts
    there = acts[: max(acts.index(str(fault.at)) for fault in scenario.faults) + 1]
    back = [StepName.PRODUCERS_TO_SOURCE] if StepName.STOP_PRODUCERS in there else []
    back += [StepName.STOP_CONSUMERS] if StepName.CONSUMERS_TO_TARGET in there else []
    back += [StepName.CONSUMERS_TO_SOURCE] if StepName.STOP_CONSUMERS in there else []
    return [*there, *map(str, back), str(StepName.DELETE_TASK)]


def judged(scenario: Scenario, **worse: Any) -> tuple[RunFacts, Judgement]:
    """Return a run that shows the most which the scenario allows; `worse` are figures of its first group."""
    expected = expectation(scenario)
    marks = [
        Mark(
            START_NS + n * 10**10,
            "fault",
            f"{f.kind} {f.of}",
            None,
            "",
            START_NS + n * 10**10 + round(getattr(f, "seconds", 3.0) * 1e9),
        )
        for n, f in enumerate(scenario.faults, start=1)
    ]
    shape = Shape(scenario.name, scenario.title, steps_run(scenario), extra_marks=marks, route="all")
    facts = replace(
        facts_of(shape),
        expectation=expected,
        preconditions=[],
        destroyed=[
            Destroyed("source", "flights", START_NS, f"{fault.kind} topics")
            for fault in scenario.faults
            if fault.kind == "recreate"
        ],
    )
    judgement = judgement_of(shape)
    groups = [replace(group, **_most(expected, facts)) for group in judgement.groups]
    groups[0] = replace(groups[0], **worse)
    most_ms = expected.max_blackout_ms
    blackouts = [each if most_ms is None else replace(each, longest_ms=most_ms) for each in judgement.blackouts]
    return facts, replace(judgement, groups=groups, blackouts=blackouts)


def _most(expected: Expectation, facts: RunFacts) -> dict[str, Any]:
    def most(name: str, figure: int) -> int:
        return figure if name in expected.must_fail else 0 if expected.limit(name) is not None else figure

    return {
        "lost": most("lost", 9) if "lost" in expected.must_fail else 0,
        "missing": 0,
        "reordered": most("reordered", 57),
        "stranded": most("stranded", STRANDED),
        "destroyed": DESTROYED if facts.destroyed else 0,
        "duplicated": Duplicated(**{cause: most(cause, AGAIN) for cause in ("re_read", "re_read_across")}),
    }


def rehearsed(out: Path, *, worse: dict[str, dict[str, Any]] | None = None) -> tuple[RiskReport, dict[str, Verdict]]:
    """Leave the folder of the whole catalogue, each verdict by the judge; return report and verdicts."""
    verdicts = {}
    for name, scenario in CATALOGUE.items():
        facts, judgement = judged(scenario, **(worse or {}).get(name, {}))
        verdicts[name] = verdict(judgement, facts)
        (out / name).mkdir(parents=True)
        facts.save(out / name / "run.json")
        Report(verdicts[name], judgement).save(out / name / "verdict.json")
    about = rehearsal(list(CATALOGUE), target_kind="stand-in", seed=1, day=24, finished=True)
    (out / "rehearsal.json").write_text(json.dumps(about), "utf-8")
    return build([out]).report, verdicts


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> tuple[RiskReport, dict[str, Verdict], Path]:
    out = tmp_path_factory.mktemp("all") / "out"
    return *rehearsed(out), out


def test_the_whole_catalogue_is_a_go_with_conditions(
    healthy: tuple[RiskReport, dict[str, Verdict], Path],
) -> None:
    report, verdicts, _ = healthy
    assert {name: found.outcome for name, found in verdicts.items()} == dict.fromkeys(CATALOGUE, "PASS")
    assert report.decision == "GO WITH CONDITIONS", report.headline
    assert report.routes[0].reasons == []
    levels = {risk.id: risk.level for risk in report.routes[0].risks}
    assert levels["lost"] == "clear"
    assert levels["way-back"] == "clear"
    assert levels["stand-in"] == "condition"


def test_destroyed_records_are_counted_apart_everywhere(
    healthy: tuple[RiskReport, dict[str, Verdict], Path],
) -> None:
    report, _, out = healthy
    scenario = next(one for one in report.scenarios if one.name == "topic-made-again")
    assert (scenario.lost, scenario.destroyed) == (0, 2 * DESTROYED)
    lost = next(risk for risk in report.routes[0].risks if risk.id == "lost")
    assert lost.measured.startswith("none; apart from that at most")
    assert "destroyed on purpose by the fault of topic-made-again" in lost.measured
    write_report(out)
    for name in ("report.html", "report.md", "junit.xml"):
        assert "destroyed by a fault on purpose" in (out / name).read_text("utf-8"), name


@pytest.mark.parametrize("name", ["topic-made-again", "stop-first", "connect-killed", "rollback-from-4"])
def test_one_record_beyond_it_is_a_no_go(tmp_path: Path, name: str) -> None:
    report, verdicts = rehearsed(tmp_path, worse={name: {"lost": 1}})
    assert verdicts[name].outcome == "FAIL"
    assert report.decision == "NO-GO"
    assert any(reason.startswith("Are records lost? Yes: at most 1") for reason in report.routes[0].reasons)
