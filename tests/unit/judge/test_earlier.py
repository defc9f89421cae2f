"""Run folders of an earlier version stay readable: the names that changed since."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.judge.facts import RunFacts
from cutover_harness.judge.model import Report
from cutover_harness.plan.load import parse

FACTS = {
    "run": 7,
    "scenario": "producers-first",
    "groups": {"guards": ["disordered"]},
    "guards": [{"name": "mid-traffic", "held": True, "evidence": "12 acks"}],
    "expectation": {"disordered": 3, "must_fail": ["disordered"]},
    "marks": [{"time_ns": 1, "kind": "act", "name": "act"}, {"time_ns": 2, "kind": "gate", "name": "act"}],
}
VERDICT = {
    "verdict": {"outcome": "PASS", "guards": [{"name": "g drained", "held": False, "evidence": ""}]},
    "judgement": {
        "run": 7,
        "groups": [
            {
                "group": "g",
                "topics": ["t"],
                "members": ["g-1"],
                "disordered": 5,
                "unmeasured": {"disordered": "clocks"},
                "partitions": [{"topic": "t", "partition": 0, "disordered": 4}],
            }
        ],
        "offenders": [
            {
                "kind": "disordered",
                "group": "g",
                "topic": "t",
                "partition": 0,
                "offset": 1,
                "cluster": "target",
                "stream": 1,
                "sequence": 2,
                "time_ns": 3,
            }
        ],
    },
}
SCENARIO = "name: x\ntitle: X\npath: [create-task]\nexpect:\n  disordered: 3\n  must_fail: [disordered, lost]\n"


def test_facts_with_earlier_names(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(FACTS), encoding="utf-8")
    facts = RunFacts.load(tmp_path / "run.json")
    assert [each.name for each in facts.preconditions] == ["mid-traffic"]
    assert (facts.expectation.limit("reordered"), facts.expectation.must_fail) == (3, ("reordered",))
    assert [(each.kind, each.name) for each in facts.marks] == [("step", "act"), ("gate", "act")]
    assert facts.groups == {"guards": ["disordered"]}, "names of a user's own are no names of ours"


def test_a_verdict_with_earlier_names() -> None:
    report = Report.from_json(VERDICT)
    (group,) = report.judgement.groups
    assert [each.name for each in report.verdict.preconditions] == ["g drained"]
    assert (group.reordered, group.unmeasured, group.partitions[0].reordered) == (5, {"reordered": "clocks"}, 4)
    assert report.judgement.offenders[0].kind == "reordered"


def test_both_names_together_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown field 'guards'"):
        RunFacts.from_json(FACTS | {"preconditions": []})


def test_a_scenario_with_earlier_names_gets_one_line_of_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        expect = parse(SCENARIO, "mine.yaml").expect
    assert (expect.limit("reordered"), expect.must_fail) == (3, ("reordered", "lost"))
    assert caplog.messages == [
        "mine.yaml: names of an earlier version: disordered (now reordered): rename them",
    ]


def test_a_scenario_with_present_names_gets_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        parse(SCENARIO.replace("disordered", "reordered"), "mine.yaml")
    assert not caplog.messages


def test_a_scenario_with_both_names_is_refused() -> None:
    with pytest.raises(UsageError, match=r"mine\.yaml:6: expect\.disordered: "):
        parse(SCENARIO.replace("  disordered: 3\n", "  reordered: 3\n  disordered: 3\n"), "mine.yaml")
