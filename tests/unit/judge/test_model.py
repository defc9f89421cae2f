import json
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import (
    Copied,
    Cut,
    Destroyed,
    DrainProof,
    Duplicated,
    Expectation,
    GroupMeasures,
    Judgement,
    LagSample,
    Mark,
    Offender,
    PartitionMeasures,
    Precondition,
    Report,
    RunFacts,
    Verdict,
)


def facts() -> RunFacts:
    return RunFacts(
        run=7,
        scenario="stop-first",
        groups={"billing": ["orders"]},
        marks=[Mark(1, "stage", "synchronising", 2), Mark(2, "fault", "kill", end_ns=9)],
        lag=[LagSample(1, 4), LagSample(2, 0, 0.5)],
        drain=[DrainProof("billing", True, "committed 9 of 9")],
        preconditions=[Precondition("mid-traffic", True, "acks before and after")],
        expectation=Expectation(limits={"lost": None, "re_read": 3}, must_fail=("stranded",)),
        cuts=[Cut(1, 2, "producer", None, "source", "target")],
        copied=[Copied("source", "orders", 0, 0, 9)],
        destroyed=[Destroyed("source", "orders", 9, "recreate topics")],
        cluster_left=["source"],
    )


def test_facts_survive_json() -> None:
    assert RunFacts.from_json(json.loads(json.dumps(facts().to_json()))) == facts()


def test_report_survives_a_file(tmp_path: Path) -> None:
    report = Report(
        Verdict("FAIL", reasons=["billing: 1 lost"]),
        Judgement(
            run=7,
            groups=[
                GroupMeasures(
                    "billing",
                    ["orders"],
                    ["a"],
                    lost=None,
                    partitions=[PartitionMeasures("orders", 0, duplicated=Duplicated(re_read=2))],
                )
            ],
            offenders=[Offender("lost", "billing", "orders", 0, 4, "source", 2**63 + 1, 3, 5, "k", ["a"])],
        ),
    )
    report.save(tmp_path / "verdict.json")
    assert Report.load(tmp_path / "verdict.json") == report


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"scenario": "x"}, "'run' is missing"),
        ({"run": "7", "scenario": "x"}, "RunFacts.run: expected int, found '7'"),
        ({"run": 7, "scenario": "x", "colour": 1}, "unknown field 'colour'"),
        ({"run": 7, "scenario": "x", "marks": [{"time_ns": 1, "kind": "stage"}]}, "RunFacts.marks[0]: field 'name'"),
        ({"run": True, "scenario": "x"}, "RunFacts.run: expected int, found True"),
        ({"run": 7.0, "scenario": "x"}, "RunFacts.run: expected int, found 7.0"),
        ({"run": 7, "scenario": None}, "RunFacts.scenario: expected str, found None"),
        ({"run": 7, "scenario": "x", "speed": "1"}, "RunFacts.speed: expected float, found '1'"),
        ({"run": 7, "scenario": "x", "speed": True}, "RunFacts.speed: expected float, found True"),
        ({"run": 7, "scenario": "x", "completed": 1}, "RunFacts.completed: expected bool, found 1"),
        ({"run": 7, "scenario": "x", "groups": {"a": ["b", 3]}}, "RunFacts.groups.a[1]: expected str, found 3"),
        ({"run": 7, "scenario": "x", "groups": []}, "RunFacts.groups: expected dict, found []"),
        ({"run": 7, "scenario": "x", "marks": {}}, "RunFacts.marks: expected list, found {}"),
        ({"run": 7, "scenario": "x", "marks": [3]}, "RunFacts.marks[0]: expected dict, found 3"),
        ({"run": 7, "scenario": "x", "expectation": {"must_fail": "lost"}}, "must_fail: expected list, found 'lost'"),
        (
            {"run": 7, "scenario": "x", "marks": [{"time_ns": 1, "kind": "stage", "name": "", "colour": 1}]},
            "RunFacts.marks[0]: unknown field 'colour'; known are time_ns, kind, name, stage, detail, end_ns",
        ),
        (
            {"run": 7, "scenario": "x", "marks": [{"time_ns": 1, "kind": "pause", "name": ""}]},
            "RunFacts.marks[0].kind: is 'pause'; it is one of 'stage', 'gate', ",
        ),
        ([], "RunFacts: expected dict, found []"),
    ],
)
def test_wrong_facts_name_the_field(data: object, named: str) -> None:
    with pytest.raises(UsageError) as error:
        RunFacts.from_json(data)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_whole_numbers_are_floats_and_text_need_not_be_utf8() -> None:
    found = RunFacts.from_json({"run": 2**64, "scenario": "\ud800", "speed": 3, "capture": {"any": [1, None]}})
    assert (found.run, found.scenario, found.speed, found.capture) == (2**64, "\ud800", 3.0, {"any": [1, None]})
    assert isinstance(found.speed, float)


def test_unknown_fields_below_a_dict_are_named() -> None:
    topic = {"partitions": 1, "planned_partitions": 1, "config": {}, "later": 1}
    plan: dict[str, object] = {
        "name": "shop",
        "file": "shop.yaml",
        "sha256": "0",
        "inventory": None,
        "inventory_sha256": None,
    }
    plan |= {"route": "a", "batches": ["a"], "topics": {"orders": topic}}
    with pytest.raises(UsageError, match=r"RunFacts.plan.topics.orders: unknown field 'later'; known are partitions"):
        RunFacts.from_json({"run": 7, "scenario": "x", "plan": plan})
