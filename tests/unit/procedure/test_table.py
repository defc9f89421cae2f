"""docs/scenarios.md has the table of the classes."""

from __future__ import annotations

from pathlib import Path

from cutover_harness import markdown
from cutover_harness.procedure.state import STAGES
from cutover_harness.procedure.table import HEAD, table

DOC = Path(__file__).parents[3] / "docs" / "scenarios.md"


def test_the_documented_steps_are_the_classes() -> None:
    text = DOC.read_text(encoding="utf-8")
    begin = text.index(markdown.table(HEAD, ()))
    assert text[begin : text.index("\n\n", begin) + 1] == table(), "run python -m cutover_harness.procedure.table"


def test_the_documented_stages_are_those_of_a_route() -> None:
    text = " ".join(DOC.read_text(encoding="utf-8").split())
    assert ", ".join(f"{number} {title}" for number, title in STAGES.items() if number) in text
