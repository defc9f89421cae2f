"""The section "How the endpoint change reaches the clients"."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cutover_harness.judge.model import Reach
from cutover_reports import write_report
from cutover_reports.build import build
from cutover_reports.model import Report
from cutover_reports.reach import LOCAL_FILE

from tests.unit.reports.run_folders import SHAPES, reach, write_run

STOP_FIRST = SHAPES[0]
CONTROL = "kafka:cutover-control@source"


def report_of(folder: Path, **reaches: Reach | None) -> Report:
    """Return the report of scenarios with these names, all of the same path."""
    shapes = [replace(STOP_FIRST, name=name.replace("_", "-"), reach=its) for name, its in reaches.items()]
    return build([write_run(folder / "run", shapes)]).report


def test_figures_of_one_channel_are_those_of_all_its_scenarios(tmp_path: Path) -> None:
    report = report_of(tmp_path, one=reach(10, 20), two=reach(30), three=reach(900, most_s=8))
    local, mounted = report.reach
    assert (local.title, local.arrivals, local.scenarios) == ("file on a local disk", 3, ["s1-one", "s1-two"])
    assert (local.seen_p50_ms, local.seen_p99_ms, local.seen_max_ms) == (20, 30, 30)
    assert (local.applied_p50_ms, local.applied_max_ms) == (30, 40)
    assert (mounted.title, mounted.least_s, mounted.most_s) == ("mounted file, 7 to 8 s late", 7, 8)
    assert mounted.seen_max_ms == 900


def test_a_control_topic_is_a_row_of_its_own_however_late_the_files_are(tmp_path: Path) -> None:
    by_topic = [reach(3, channel=CONTROL, of="kafka"), reach(5, channel=CONTROL, most_s=8, of="kafka")]
    (row,) = report_of(tmp_path, one=by_topic[0], two=by_topic[1]).reach
    assert (row.channel, row.title) == (CONTROL, "control topic cutover-control on the source")
    assert (row.arrivals, row.most_s, row.seen_max_ms) == (2, None, 5)


def test_clients_that_never_saw_a_generation_are_named(tmp_path: Path) -> None:
    report = report_of(tmp_path, sub_path=reach(7, most_s=8, never=["billing-1", "billing-2"]), fine=reach(7, most_s=8))
    (row,) = report.reach
    assert (row.arrivals, row.never) == (2, ["billing-1, billing-2 in sub-path"])


def test_a_channel_that_brought_nothing_has_no_times(tmp_path: Path) -> None:
    (row,) = report_of(tmp_path, sub_path=reach(most_s=8, never=["billing-1"])).reach
    assert (row.arrivals, row.seen_p50_ms, row.applied_max_ms) == (0, None, None)


def test_a_note_tells_local_files_from_mounted_ones(tmp_path: Path) -> None:
    assert report_of(tmp_path / "local", one=reach(10)).reach_notes == [LOCAL_FILE]
    assert report_of(tmp_path / "topic", one=reach(10, channel=CONTROL)).reach_notes == []
    (note,) = report_of(tmp_path / "mounted", one=reach(10, most_s=8)).reach_notes
    assert note.startswith("Mounted files were rehearsed 7 to 8 s late; the kubelet's are 60 to 90 s late.")
    assert note.endswith("each would be held for 60 to 120 s.")


def test_blackouts_are_those_of_scenarios_without_a_fault(tmp_path: Path) -> None:
    killed = next(shape for shape in SHAPES if shape.fault)
    assert killed.blackout_s > STOP_FIRST.blackout_s
    folder = write_run(tmp_path / "run", [STOP_FIRST, replace(killed, reach=reach(10))])
    (row,) = build([folder]).report.reach
    (alone,) = build([write_run(tmp_path / "alone", [STOP_FIRST])]).report.reach
    assert row.producer_blackout_ms == alone.producer_blackout_ms
    (disturbed,) = build([write_run(tmp_path / "disturbed", [replace(killed, reach=reach(10))])]).report.reach
    assert disturbed.producer_blackout_ms is None


def test_runs_of_earlier_versions_have_no_such_section(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [replace(STOP_FIRST, reach=None)])
    write_report(folder)
    for name in ("report.html", "report.md"):
        assert "endpoint change reaches" not in (folder / name).read_text("utf-8")
    write_run(folder, [STOP_FIRST])
    write_report(folder)
    for name in ("report.html", "report.md"):
        assert "How the endpoint change reaches the clients" in (folder / name).read_text("utf-8")
        assert "file on a local disk" in (folder / name).read_text("utf-8")
