"""Terminal, exit codes, JUnit and report agree, whatever came of which scenario."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cutover_harness.cli.rehearse_results import code_of
from cutover_harness.judge.model import Judgement, Verdict
from cutover_harness.judge.model import Report as Judged
from cutover_harness.rehearsal.folder import Decision
from cutover_harness.rehearsal.session import Rehearsed
from cutover_reports.build import build
from cutover_reports.command import EXIT_CODES
from cutover_reports.junit import junit
from cutover_reports.markdown import markdown
from cutover_reports.model import Report

from tests.unit.reports.run_folders import SHAPES, Shape, write_run

BY_NAME = {shape.name: shape for shape in SHAPES}
ABSENT = "not rehearsed"
#: A switchover, a way back that is relied on, one that is not, a faulted switchover and a control.
NAMES = ("stop-first", "rollback-4", "rollback-6", "stop-first-connect-killed", "producers-first")


ON_ROUTE = {"NO-GO": {"failure"}, "INCONCLUSIVE": {"skipped"}}
"""Elements of JUnit's case of a route, by its decision."""


def decided(report: Report) -> dict[str | None, set[str]]:
    """Return the elements of the cases of the decisions, by route."""
    suite = ElementTree.fromstring(junit(report)).findall("testsuite")[-1]  # noqa: S314 - we wrote it
    assert suite.get("name") == "decision"
    found = {case.get("name"): {child.tag for child in case} - {"system-out"} for case in suite.iter("testcase")}
    for tag, count in (("failure", "failures"), ("skipped", "skipped")):
        assert suite.get(count) == str(sum(tag in tags for tags in found.values()))
    return found


def shape(name: str, outcome: str) -> Shape:
    """Return a scenario with an outcome that its figures do not contradict."""
    caught = {"PASS": True, "FAIL": False}.get(outcome) if name == "producers-first" else None
    stranded = 312 if name == "rollback-6" else 0
    return replace(BY_NAME[name], outcome=outcome, caught=caught, stranded=stranded, reasons=(f"{name} {outcome}",))


def rehearsed(out: Path, outcomes: dict[str, str]) -> tuple[Report, int]:
    """Leave a folder in which that came of the scenarios; return its report and the rehearsal's exit code."""
    there = [shape(name, outcome) for name, outcome in outcomes.items() if outcome != ABSENT]
    write_run(out, there)
    about: dict[str, Any] = json.loads((out / "rehearsal.json").read_text("utf-8"))
    absent = {name: "the testbed did not start" for name, outcome in outcomes.items() if outcome == ABSENT}
    asked = {name: {"path": list(BY_NAME[name].path), "must_fail": list(BY_NAME[name].must_fail)} for name in outcomes}
    about |= {"scenarios": list(outcomes), "asked": asked, "not_rehearsed": absent}
    (out / "rehearsal.json").write_text(json.dumps(about), "utf-8")
    report = build([out]).report
    verdicts = {one.name: Judged(Verdict(one.outcome), Judgement(run=1)) for one in there}
    decision = Decision(report.decision, report.headline)
    return report, code_of(Rehearsed(verdicts, absent, unfit=not there, decision=decision))


CASES = [
    dict(zip(NAMES, outcomes, strict=True))
    for outcomes in product(("PASS", "FAIL", "INCONCLUSIVE", ABSENT), repeat=len(NAMES))
    # All pairs are what can disagree: at most two that do not pass, and everything that is the same throughout.
    if sum(outcome != "PASS" for outcome in outcomes) <= 2 or len(set(outcomes)) == 1
] + [
    dict.fromkeys(chosen, outcome)
    for chosen in (NAMES[1:2], NAMES[2:3], NAMES[4:], NAMES[:1], NAMES[1:3])
    for outcome in ("PASS", "FAIL", "INCONCLUSIVE", ABSENT)
]


def test_all_outputs_agree_on_every_combination(tmp_path: Path) -> None:
    for number, outcomes in enumerate(CASES):
        report, code = rehearsed(tmp_path / str(number), outcomes)
        found = {scenario.name: scenario.outcome for scenario in report.scenarios}
        assert found == outcomes
        values = list(outcomes.values())
        counted = {name: outcome for name, outcome in outcomes.items() if name != "rollback-6"}
        failed = "FAIL" in counted.values()
        went = "PASS" in (outcomes.get("stop-first"), outcomes.get("stop-first-connect-killed"))
        context = f"{outcomes}: {report.decision}, exit {code}: {report.headline}"

        # The decision: a counted failure is a no, a switchover that passed is the least for a go.
        assert (report.decision == "NO-GO") == failed, context
        assert (report.decision in ("GO", "GO WITH CONDITIONS")) == (went and not failed), context
        # What fails and decides nothing is named with the reason.
        if outcomes.get("rollback-6") in ("FAIL", "INCONCLUSIVE", ABSENT):
            assert any("rollback-6" in line for route in report.routes for line in route.not_counted), context
        # The exit codes.
        if set(values) == {ABSENT}:
            assert code == 2, context
        elif "FAIL" in values:
            assert code == 1, context
        else:
            assert code == (0 if set(values) == {"PASS"} else 3), context
        assert not (report.decision == "NO-GO" and code == 0), context
        assert EXIT_CODES[report.decision] in (0, 1, 3)
        # JUnit and Markdown.
        suite = ElementTree.fromstring(junit(report)).find("testsuite")  # noqa: S314 - we wrote it
        assert suite is not None
        cases = {case.get("name"): {child.tag for child in case} for case in suite.iter("testcase")}
        assert cases.keys() == outcomes.keys()
        for name, outcome in outcomes.items():
            expected = {"PASS": set(), "FAIL": {"failure"}}.get(outcome, {"error"})
            assert cases[name] - {"system-out"} == expected, context
        assert suite.get("failures") == str(values.count("FAIL"))
        assert suite.get("errors") == str(values.count("INCONCLUSIVE") + values.count(ABSENT))
        assert decided(report) == {report.routes[0].name: ON_ROUTE.get(report.decision, set())}, context
        text = markdown(report)
        assert text.startswith(f"# Cutover risk report: {report.decision}\n")
        assert all(name in text for name in outcomes)


def test_a_limit_of_the_policy_alone_makes_junit_red_too(tmp_path: Path) -> None:
    report, code = rehearsed(tmp_path, {"stop-first": "PASS"})
    assert (report.decision, code) == ("GO WITH CONDITIONS", 0)
    assert decided(report) == {report.routes[0].name: set()}
    (tmp_path / "policy.toml").write_text("[limits]\nproducer_blackout_ms = 1\n")
    report = build([tmp_path]).report
    assert [scenario.outcome for scenario in report.scenarios] == ["PASS"]
    assert report.decision == "NO-GO"
    assert decided(report) == {report.routes[0].name: {"failure"}}
    assert "blackout" in junit(report).partition('message="NO-GO: ')[2].partition('"')[0]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("rollback-1",), "no switchover was rehearsed (1 rollback passed, which proves nothing about going)"),
        (("producers-first",), "no switchover was rehearsed"),
    ],
)
def test_without_a_switchover_there_is_neither_a_go_nor_a_no(tmp_path: Path, names: tuple[str, ...], says: str) -> None:
    report = build([write_run(tmp_path, [BY_NAME[name] for name in names])]).report
    assert report.decision == "INCONCLUSIVE"
    assert report.headline == f"Inconclusive for a go: {says}."
    assert report.routes[0].reasons == [says]


def test_a_scenario_that_was_not_rehearsed_is_shown_as_such(tmp_path: Path) -> None:
    report, _ = rehearsed(tmp_path, dict.fromkeys(NAMES, "PASS") | {"rollback-4": ABSENT, "producers-first": ABSENT})
    by_name = {scenario.name: scenario for scenario in report.scenarios}
    assert (by_name["rollback-4"].kind, by_name["rollback-4"].rollback_stage) == ("rollback", 4)
    assert by_name["producers-first"].kind == "control"
    assert len(report.routes) == 1
    assert report.routes[0].not_rehearsed == 2
    assert "rollback-4 was not rehearsed: the testbed did not start" in report.missing
    assert report.decision == "GO WITH CONDITIONS"
    conditions = " ".join(report.routes[0].conditions)
    assert "requested but not rehearsed: rollback-4" in conditions
