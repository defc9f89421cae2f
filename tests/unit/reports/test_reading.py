"""Run folders, whole, half-written and wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_reports import write_report
from cutover_reports.build import build
from cutover_reports.reading import read_run, read_scenario

from tests.unit.reports.run_folders import SHAPES, half_written, write_run


def test_a_whole_folder_misses_nothing(tmp_path: Path) -> None:
    report = build([write_run(tmp_path / "run")]).report
    assert report.missing == []
    assert [scenario.name for scenario in report.scenarios] == [shape.name for shape in SHAPES]


def test_series_are_rates_by_seconds_since_the_start(tmp_path: Path) -> None:
    write_run(tmp_path, SHAPES[:1])
    series = read_scenario(read_run(tmp_path), "stop-first").series
    assert set(series) == {"lag", "acks", "deliveries/audit", "deliveries/billing"}
    assert series["acks"].index[0] == 0.5
    assert series["acks"].max() > 200


def test_a_longer_step_still_gives_events_a_second(tmp_path: Path) -> None:
    write_run(tmp_path, SHAPES[:1])
    file = tmp_path / "stop-first" / "verdict.json"
    content = json.loads(file.read_text("utf-8"))
    content["judgement"]["series"] |= {
        "step_ns": 10 * 10**9,
        "seconds": [{"kind": "acks", "group": None, "cluster": "source", "values": [50, 100]}],
    }
    file.write_text(json.dumps(content), "utf-8")
    acks = read_scenario(read_run(tmp_path), "stop-first").series["acks"]
    assert acks.to_dict() == {5.0: 5.0, 15.0: 10.0}


def test_a_half_written_folder_lists_its_missing_files(tmp_path: Path) -> None:
    report = build([half_written(tmp_path)]).report
    text = "\n".join(report.missing)
    assert "did not finish" in text
    assert "rollback-4/verdict.json: torn or not JSON" in text
    assert "rollback-3/verdict.json: not there" in text
    assert "rollback-6 was not rehearsed: the rehearsal ended before it began" in text
    outcomes = {scenario.name: scenario.outcome for scenario in report.scenarios}
    assert outcomes == {
        "stop-first": "PASS",
        "rollback-4": "INCONCLUSIVE",
        "rollback-3": "INCONCLUSIVE",
        "rollback-6": "not rehearsed",
    }
    stopped = next(scenario for scenario in report.scenarios if scenario.name == "rollback-3")
    assert stopped.reasons == ["stopped before it was judged: gate attested: billing-2 is missing"]
    assert report.decision != "GO"


def test_without_rehearsal_json_the_scenario_folders_are_found(tmp_path: Path) -> None:
    write_run(tmp_path, SHAPES[:2])
    (tmp_path / "rehearsal.json").unlink()
    report = build([tmp_path]).report
    assert len(report.scenarios) == 2
    assert report.runs[0].target_kind == "unknown"
    assert report.decision == "GO WITH CONDITIONS"
    write_report(tmp_path)  # the page needs nothing that is not recorded


@pytest.mark.parametrize("broken", ["{", "[]", '{"marks": 3}', '{"run": "x", "scenario": 1}'])
def test_facts_of_another_shape_are_reported(tmp_path: Path, broken: str) -> None:
    write_run(tmp_path, SHAPES[:1])
    (tmp_path / "stop-first" / "run.json").write_text(broken, "utf-8")
    assert any("stop-first/run.json" in line for line in build([tmp_path]).report.missing)


@pytest.mark.parametrize("samples", [[{"records": 1}], [{"time_ns": "noon", "records": 1}], [7]])
def test_series_of_another_shape_remove_the_plot_only(tmp_path: Path, samples: list[object]) -> None:
    write_run(tmp_path, SHAPES[:1])
    file = tmp_path / "stop-first" / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"lag": samples}), "utf-8")
    report = build([tmp_path]).report
    assert report.scenarios[0].outcome == "PASS"
    assert any("time line is not drawn" in line for line in report.missing)


def test_a_name_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", SHAPES[:1])
    write_run(tmp_path / "other", SHAPES[1:2])
    about = json.loads((run / "rehearsal.json").read_text("utf-8"))
    about["scenarios"] = ["../other/rollback-1", "/etc", "..", ".", "stop-first"]
    (run / "rehearsal.json").write_text(json.dumps(about), "utf-8")
    assert read_run(run).names == ["stop-first"]


@pytest.mark.parametrize("make", [lambda folder: None, lambda folder: folder.mkdir()])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, make: object) -> None:
    folder = tmp_path / "nothing"
    assert callable(make)
    make(folder)
    with pytest.raises(UsageError, match="rehearse --out"):
        read_run(folder)


def test_parallel_scenarios_and_those_not_rehearsed_are_reported(tmp_path: Path) -> None:
    out = write_run(tmp_path / "run")
    about = json.loads((out / "rehearsal.json").read_text("utf-8"))
    alone = build([out]).report
    assert "in parallel" not in alone.runs[0].environment
    (out / "rehearsal.json").write_text(
        json.dumps(
            about
            | {
                "jobs": 2,
                "not_rehearsed": {"overlap": "port 9092 is in use"},
                "scenarios": [*about["scenarios"], "overlap"],
            }
        )
    )
    report = build([out]).report
    assert report.runs[0].environment["in parallel"].startswith("2 scenarios: counts are exact")
    assert "overlap was not rehearsed: port 9092 is in use" in report.missing
    assert "overlap was not rehearsed: port 9092 is in use" not in alone.missing


def test_records_released_after_a_blackout_are_no_rate_of_production(tmp_path: Path) -> None:
    write_run(tmp_path, SHAPES[:1])
    file = tmp_path / "stop-first" / "verdict.json"
    content = json.loads(file.read_text("utf-8"))
    facts = json.loads((tmp_path / "stop-first" / "run.json").read_text("utf-8"))
    start, (blackout,) = facts["started_ns"], [b for b in content["judgement"]["blackouts"] if b["role"] == "producer"]
    after = (blackout["gap_to_ns"] - start) // 10**9
    rates = [50] * 400
    rates[after + 1], rates[after + 60] = 5000, 70
    content["judgement"]["series"] |= {
        "start_ns": start,
        "seconds": [{"kind": "acks", "group": None, "cluster": "source", "values": rates}],
    }
    file.write_text(json.dumps(content), "utf-8")
    assert build([tmp_path]).report.scenarios[0].peak_acks_per_second == 70
