"""A small run folder renders to the same JSON and Markdown, byte for byte, and to the published schema.

`UPDATE_GOLDEN=1 python -m pytest tests/unit/reports/test_golden.py` writes the files again; read their difference.
"""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cutover_reports import write_report
from cutover_reports.model import Report
from cutover_reports.schema import schema
from pydantic import ValidationError

from tests.unit.reports.run_folders import SHAPES, write_run

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[3]
SMALL = [shape for shape in SHAPES if shape.name in ("stop-first", "rollback-4", "producers-first")]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    folder = write_run(tmp_path / "cutover-out", SMALL)
    write_report(folder)
    return folder


@pytest.mark.parametrize("name", ["report.json", "report.md", "junit.xml"])
def test_the_small_run_renders_as_it_did(small: Path, name: str) -> None:
    written = (small / name).read_text("utf-8")
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(written, "utf-8")
    assert written == (GOLDEN / name).read_text("utf-8")


def test_writing_again_changes_nothing(small: Path) -> None:
    before = {file.name: file.read_bytes() for file in small.iterdir() if file.is_file()}
    write_report(small)
    assert {file.name: file.read_bytes() for file in small.iterdir() if file.is_file()} == before
    assert set(before) == {"rehearsal.json", "report.html", "report.json", "report.md", "junit.xml"}


def test_the_published_schema_is_the_models(small: Path) -> None:
    assert (ROOT / "docs" / "report.schema.json").read_text("utf-8") == schema()


def test_report_json_keeps_to_the_schema(small: Path) -> None:
    text = (small / "report.json").read_text("utf-8")
    assert Report.model_validate_json(text, strict=True).decision == "GO WITH CONDITIONS"
    with pytest.raises(ValidationError):
        Report.model_validate_json(text.replace('"decision"', '"decided"'))


def test_junit_has_a_case_a_scenario(small: Path) -> None:
    root = ElementTree.parse(small / "junit.xml").getroot()  # noqa: S314 - we wrote it
    assert [case.get("name") for case in root.iter("testcase")] == [*(shape.name for shape in SMALL), "flights"]
    assert root.find("testsuite") is not None


def test_markdown_fits_a_comment(small: Path) -> None:
    assert len((small / "report.md").read_text("utf-8")) < 65_536
