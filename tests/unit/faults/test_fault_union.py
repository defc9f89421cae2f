"""Each fault is complete: it has its fields, its row in the documentation and its line in the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cutover_harness import markdown
from cutover_harness.faults.base import Fault
from cutover_harness.faults.table import HEAD, table
from cutover_harness.faults.union import FAULTS, leaves_open

DOCS = Path(__file__).parents[3] / "docs" / "scenarios.md"


def concrete(fault: Any) -> list[Any]:
    """Return the classes below `fault` that can be made."""
    found = [] if fault.__abstractmethods__ else [fault]
    return found + [each for sub in fault.__subclasses__() for each in concrete(sub)]


def test_every_fault_is_in_the_union() -> None:
    assert {*concrete(Fault)} == {*FAULTS.values()}


def documented() -> str:
    """Return the table of faults in the documentation."""
    text = DOCS.read_text(encoding="utf-8")
    return text[text.index(markdown.table(HEAD, ())) :].partition("\n\n")[0] + "\n"


def test_the_documented_table_is_that_of_the_classes() -> None:
    assert documented() == table()


def test_a_fault_that_changes_changes_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    changed: Any = type("Changed", (FAULTS["join"],), {"does": "something else"})
    monkeypatch.setitem(FAULTS, "join", changed)
    assert documented() != table()


def test_the_report_has_a_line_for_every_victim() -> None:
    assert {*leaves_open()} == {victim for fault in FAULTS.values() for victim in fault.victims()}
    assert leaves_open()["topics"].count(", ") == 2
