"""The report command: one folder, several, and two compared."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_reports import report_command

from tests.unit.reports.run_folders import SHAPES, Shape, write_run

SMALL = [shape for shape in SHAPES if shape.name in ("stop-first", "rollback-4", "producers-first")]


def with_change(name: str, **fields: object) -> list[Shape]:
    return [replace(shape, **fields) if shape.name == name else shape for shape in SMALL]  # type: ignore[arg-type]


def test_one_folder_is_rewritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", SMALL)
    assert report_command([run]) == 0
    assert (run / "report.html").exists()
    assert capsys.readouterr().out.startswith("GO WITH CONDITIONS: ")


def test_a_no_go_exits_with_1(tmp_path: Path) -> None:
    assert report_command([write_run(tmp_path, with_change("stop-first", outcome="FAIL", lost=1))]) == 1


def test_several_runs_are_merged_with_their_trend(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", SMALL, seed=1, day=20)
    second = write_run(tmp_path / "second", SMALL[:2], seed=2, day=21, target_kind="AutoMQ")
    assert report_command([first, second], out=tmp_path / "merged") == 0
    report = json.loads((tmp_path / "merged" / "report.json").read_text("utf-8"))
    assert [run["folder"] for run in report["runs"]] == ["first", "second"]
    assert len(report["scenarios"]) == 5
    assert len({scenario["id"] for scenario in report["scenarios"]}) == 5
    assert [(point["scenario"], point["seed"]) for point in report["trend"]] == [
        ("rollback-4", 1),
        ("rollback-4", 2),
        ("stop-first", 1),
        ("stop-first", 2),
    ]
    lost = next(risk for risk in report["routes"][0]["risks"] if risk["id"] == "lost")
    assert lost["runs"] == 4
    assert not (first / "report.json").exists()


@pytest.mark.parametrize("spelling", ["run", "link", "copy"])
def test_a_run_counts_once_as_evidence(tmp_path: Path, spelling: str) -> None:
    run = write_run(tmp_path / "run", SMALL)
    (tmp_path / "link").symlink_to(run)
    shutil.copytree(run, tmp_path / "copy")
    with pytest.raises(UsageError, match=r"give (each run once|one of them)"):
        report_command([run, tmp_path / spelling], out=tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_scenario_that_its_rehearsal_does_not_name_is_no_evidence(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [shape for shape in SMALL if shape.name != "stop-first"])
    other = write_run(tmp_path / "other", SMALL, seed=2)
    shutil.copytree(other / "stop-first", run / "stop-first.kept")
    assert report_command([run]) == 3
    report = json.loads((run / "report.json").read_text("utf-8"))
    assert {scenario["name"] for scenario in report["scenarios"]} == {"rollback-4", "producers-first"}
    assert report["missing"] == ["stop-first.kept: rehearsal.json does not list this scenario, so it does not count."]


def test_json_goes_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report_command([write_run(tmp_path / "run", SMALL)], json_output=True)
    assert json.loads(capsys.readouterr().out)["format"] == 3


def test_compare_names_what_got_worse_and_better(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = write_run(tmp_path / "before", with_change("rollback-4", across=500))
    after = write_run(tmp_path / "after", with_change("stop-first", outcome="FAIL", reordered=3, blackout_s=5.0))
    assert report_command([before, after], compare_them=True) == 1
    out = capsys.readouterr().out
    assert "worse: all: decision GO WITH CONDITIONS -> NO-GO" in out
    assert "worse: stop-first: outcome PASS -> FAIL" in out
    assert "worse: stop-first: reordered 0 -> 6" in out
    assert "worse: stop-first: producer blackout" in out
    assert "better: rollback-4: duplicated" in out
    assert out.index("worse:") < out.index("better:")
    assert not (after / "report.json").exists()


def test_compare_of_the_same_finds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = write_run(tmp_path / "before", SMALL), write_run(tmp_path / "after", SMALL)
    assert report_command([before, after], compare_them=True) == 0
    assert "no significant difference" in capsys.readouterr().out
    with pytest.raises(UsageError, match="is one and the same folder: give two runs"):
        report_command([before, tmp_path / "after" / ".." / "before"], compare_them=True)


def test_a_scenario_that_is_gone_is_worse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = write_run(tmp_path / "before", SMALL)
    after = write_run(tmp_path / "after", SMALL[:1])
    assert report_command([before, after], compare_them=True, json_output=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["only_before"] == ["rollback-4", "producers-first"]
    assert found["worse"] is True


def test_loss_that_becomes_unknown_is_worse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = write_run(tmp_path / "before", SMALL)
    after = write_run(tmp_path / "after", with_change("stop-first", lost=None, outcome="INCONCLUSIVE"))
    assert report_command([before, after], compare_them=True) == 1
    assert "worse: stop-first: lost 0 -> unknown" in capsys.readouterr().out


@pytest.mark.parametrize("number", [0, 1, 3])
def test_compare_wants_two(tmp_path: Path, number: int) -> None:
    run = write_run(tmp_path, SMALL[:1])
    with pytest.raises(UsageError, match=f"{number} given"):
        report_command([run] * number, compare_them=True)


def test_no_folder_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no run folder given"):
        report_command([])


def test_the_harness_finds_both_entry_points() -> None:
    found = {entry.name: entry.value for entry in entry_points(group="kafka_cutover.report")}
    assert found == {"default": "cutover_reports:write_report", "command": "cutover_reports:report_command"}


def test_compare_with_a_run_of_which_nothing_was_judged_is_no_good_news(tmp_path: Path) -> None:
    before, after = write_run(tmp_path / "before", []), write_run(tmp_path / "after", SMALL)
    with pytest.raises(UsageError, match="before: has no scenario that was judged: there is nothing to compare with"):
        report_command([before, after], compare_them=True)
