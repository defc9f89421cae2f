"""Names with line breaks and control characters stay in their line, and what is in them can be seen."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from cutover_harness.cli.preflight_output import lines
from cutover_harness.judge.command import judge_command
from cutover_harness.judge.model import RunFacts
from cutover_harness.ledger import LedgerWriter, stream_id
from cutover_harness.load.coordinator import LoadResult
from cutover_harness.masking import visible
from cutover_harness.preflight.model import Finding, Severity
from cutover_harness.verify.model import Verification
from cutover_harness.verify.output import text
from cutover_reports import junit
from cutover_reports.markdown import text as markdown_text

NAME = "bill\ning\r\x1b[31m\u202e\x9b\udc80"
SHOWN = r"bill\ning\r\x1b[31m\u202e\x9b\udc80"


@pytest.mark.parametrize(
    ("name", "shown"), [(NAME, SHOWN), ("größe ✓ [x]", "größe ✓ [x]"), ("a\u2028b\tc", r"a\u2028b\tc"), ("", "")]
)
def test_what_would_change_a_terminal_is_an_escape(name: str, shown: str) -> None:
    assert visible(name) == shown
    assert visible(shown) == shown


def test_the_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = NAME.removesuffix("\udc80")
    key = b"a\nkey"
    stream = stream_id("orders", key, 0)
    producer = LedgerWriter(tmp_path / "ledger" / "p\n1", instance="p1", role="producer", group=None, run=7)
    producer.name_stream(stream, "orders", key, 0)
    producer.sent("orders", 0, stream, 0, 0)
    producer.acked("orders", 0, 0, stream, 0, 0)
    producer.close()
    consumer = LedgerWriter(tmp_path / "ledger" / "c1", instance="c1", role="consumer", group=name, run=7)
    for _ in range(2):
        consumer.delivered("orders", 0, 0, stream, 0, 0)
    consumer.close()
    RunFacts(7, "a\nscenario").save(tmp_path / "run.json")
    judge_command(tmp_path, as_json=False)
    said = capsys.readouterr().out
    group = SHOWN.removesuffix(r"\udc80")
    assert said.splitlines()[0].split("  ")[1] == r"a\nscenario"
    assert f"  {group}: " in said
    assert r"a\nkey" in said
    assert not [line for line in said.splitlines() if line.startswith(("ing", "key", "scenario", "1"))]
    assert "\x1b[31m" not in said


def test_a_load_and_a_preflight() -> None:
    group: Any = SimpleNamespace(
        group=NAME, duplicated={}, delivered=1, expected=1, lost=0, phantom=0, reordered=0, examples=[]
    )
    result = LoadResult("PASS", [], 1, 1, 0, [group], 1.0)
    assert f"group {SHOWN}: " in "\n".join(result.lines())
    finding = Finding("rule", Severity.BLOCKER, NAME, "is odd", "here", "nothing")
    assert len([part for line in lines([finding]) for part in line.splitlines()]) == 3


def test_a_verification() -> None:
    found = Verification(
        plan="p", plan_sha256="", batch="b", source_cluster=None, target_cluster=None, began="", seconds=1, records=0,
        bytes=0, outcome="different", reasons=(f"group {NAME}: differs",), partitions=(), groups=(),
    )  # fmt: skip
    assert f"- group {SHOWN}: differs" in text(found).splitlines()


def test_a_report() -> None:
    assert markdown_text("a\x9bb\u202ec") == r"a\\x9bb\\u202ec"
    root = ElementTree.Element("x", name=junit._clean(NAME))
    assert root.get("name") == SHOWN
    assert junit._lines(["one\nmore", "two"]) == "one\\nmore\ntwo"
