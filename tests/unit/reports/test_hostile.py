"""Topic names, keys and error texts are whatever an attacker or an accident makes them: they stay text everywhere."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cutover_harness.judge.model import Precondition
from cutover_reports import write_report
from cutover_reports.markdown import text

from tests.unit.reports.run_folders import SHAPES, reach, write_run

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`|"
    "[x](javascript:alert(3)){{7*7}}<!--\u2028\x1b[31m"
)


def hostile_run(folder: Path) -> Path:
    shapes = [
        replace(
            SHAPES[0],
            title=HOSTILE,
            route=HOSTILE,
            groups=("audit", HOSTILE),
            topics=(HOSTILE,),
            key=HOSTILE,
            fault=HOSTILE,
            outcome="FAIL",
            reasons=(HOSTILE,),
            preconditions=(Precondition(HOSTILE, False, HOSTILE),),
            offenders=("lost",),
            documented=HOSTILE,
            reach=reach(5, channel=HOSTILE, never=[HOSTILE]),
        )
    ]
    write_run(folder, shapes)
    about = json.loads((folder / "rehearsal.json").read_text("utf-8"))
    about["command"] = about["environment"]["source"] = about["capture"]["name"] = HOSTILE
    (folder / "rehearsal.json").write_text(json.dumps(about), "utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written = hostile_run(tmp_path / "run")
    write_report(written)
    return written


def test_the_page_holds_no_tag_of_theirs(folder: Path) -> None:
    page = (folder / "report.html").read_text("utf-8")
    assert "<img src=x" not in page
    assert "alert(1)</script>" not in page
    assert "{{7*7}}" in page, "rendered, not evaluated"
    assert len(re.findall(r"<script\b", page)) == 3


def test_markdown_holds_no_markup_of_theirs(folder: Path) -> None:
    written = (folder / "report.md").read_text("utf-8")
    prose = "\n".join(line for line in written.splitlines() if not line.startswith("    "))
    assert not re.search(r"(?<!\\)<", prose)
    assert not re.search(r"(?<!\\)\[x", prose)
    assert "\x1b" not in written
    tables = [part.splitlines() for part in prose.split("\n\n") if part.startswith("| ")]
    assert len(tables) > 5
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in table}
        assert len(widths) == 1, "no cell was opened or closed by a name"


def test_junit_stays_well_formed(folder: Path) -> None:
    root = ElementTree.parse(folder / "junit.xml").getroot()  # noqa: S314 - we wrote it
    failures = list(root.iter("failure"))
    assert len(failures) == 2, "the scenario, and the decision on its route"
    assert "<script>alert(1)</script>" in failures[0].get("message", "")


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("a|b", "a\\|b"),
        ("two\nlines", "two lines"),
        ("https://x.example", "https\\://x.example"),
        ("www.x.example", "www\\.x.example"),
        ("@someone #12", "\\@someone \\#12"),
        ("plain: text, 3 of 4 (75 %).", "plain: text, 3 of 4 (75 %)."),
    ],
)
def test_markdown_text_is_text(value: str, escaped: str) -> None:
    assert text(value) == escaped
