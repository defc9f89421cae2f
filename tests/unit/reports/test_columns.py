"""Columns of measures in the tables of scenarios and groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cutover_reports import words, write_report

from tests.unit.reports.run_folders import SHAPES, write_run


def page(folder: Path) -> str:
    write_report(folder)
    return (folder / "report.html").read_text("utf-8")


def test_a_measure_with_a_column_is_in_both_tables_of_the_page_and_in_markdown(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [SHAPES[0]])
    html = page(folder)
    assert [measure.name for measure in words.SCENARIO_COLUMNS] == ["lost", "reordered", "stranded"]
    for measure in words.SCENARIO_COLUMNS:
        assert f"| {measure.words} |" in (folder / "report.md").read_text("utf-8")
        assert f"<span>{measure.words.capitalize()}</span>" in html
    for measure in words.GROUP_COLUMNS:
        assert f'<th scope="col" class="n">{measure.words.capitalize()}</th>' in html


@pytest.mark.parametrize(("outcome", "marked"), [("FAIL", True), ("PASS", False)])
def test_only_damage_of_a_scenario_that_failed_is_marked(tmp_path: Path, outcome: str, marked: bool) -> None:
    shape = replace(SHAPES[0], outcome=outcome, lost=1)
    html = page(write_run(tmp_path, [shape]))
    assert ('<span class="f bad">' in html) is marked
