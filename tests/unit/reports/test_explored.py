"""The last section: what was explored, what it proves, and what it never claims."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.cli.scenarios_explore import explore
from cutover_harness.errors import UsageError
from cutover_harness.explore import explored as results
from cutover_reports import write_report
from cutover_reports.build import build
from cutover_reports.command import report_command
from cutover_reports.model import Report
from cutover_reports.model_explored import ExploredPath
from cutover_reports.write import write_merged

from tests.unit.reports.run_folders import SHAPES, Shape, write_run

AUTOMQ = {"target_kind": "AutoMQ"}
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real result: a switchover and a rollback, and the gates of the rollback."""
    file = tmp_path_factory.mktemp("found") / "explored.json"
    assert explore(["stop-first", "rollback-from-1"], records=1, faults=0, jobs=1, result_file=file) == 0
    return file.read_text("utf-8")


def of(found: str, *changes: Change) -> str:
    content = json.loads(found)
    for change in changes:
        change(content)
    return json.dumps(content)


def report(folder: Path, text: str | None, shapes: Sequence[Shape] = SHAPES[:2]) -> Report:
    run = write_run(folder / "run", shapes)
    file = None
    if text is not None:
        file = folder / "found.json"
        file.write_text(text, "utf-8")
    return build([run], explored=file).report


def first(report: Report) -> ExploredPath:
    return report.explored.paths[0]


def bounded(content: dict[str, Any]) -> None:
    content["paths"][0]["complete"] = False


def walked(content: dict[str, Any]) -> None:
    content["paths"][0] |= {"complete": False, "searched": False, "walks": 30}


def only_gates(content: dict[str, Any]) -> None:
    content["paths"][0] |= {"complete": False, "searched": False}


def other_product(content: dict[str, Any]) -> None:
    content["product"] = "0.0.9"


def other_code(content: dict[str, Any]) -> None:
    content["procedure"] = "0" * 64


def lacks_a_gate(content: dict[str, Any]) -> None:
    content["paths"][0]["without"] = ["producers-to-target/before/mirror at zero"]


def violated(content: dict[str, Any]) -> None:
    trace = ["a conductor starts", "records 0 are never delivered"]
    violation = {"kind": "lost", "words": "records 0 are never delivered", "trace": trace}
    content["paths"][0] |= {"complete": False, "violations": 1, "violation": violation}


def with_gates(content: dict[str, Any]) -> None:
    lost = {"kind": "lost", "words": "a record is lost", "trace": ["a", "b"]}
    content["paths"][0]["gates"] = [
        {"gate": "one", "prevents": lost, "together": False, "states": 9, "complete": True},
        {"gate": "two", "prevents": lost, "together": True, "states": 9, "complete": True},
        {"gate": "three", "prevents": None, "together": False, "states": 9, "complete": True},
        {"gate": "four", "prevents": None, "together": False, "states": 9, "complete": False},
    ]


def _rehashed(path: dict[str, Any]) -> None:
    steps = [results.Step.model_validate(step) for step in path["steps"]]
    path["sha256"] = results.path_hash(steps, path["fleet"], planned=path["planned"])


def other_steps(content: dict[str, Any]) -> None:
    del content["paths"][0]["steps"][-1]
    _rehashed(content["paths"][0])


def unsafe(content: dict[str, Any]) -> None:
    content["paths"][0]["steps"][3]["safety"] = False
    _rehashed(content["paths"][0])


def test_a_complete_search_of_a_rehearsed_path_is_shown_with_its_bounds(found: str, tmp_path: Path) -> None:
    section = report(tmp_path, found).explored
    forward, back = section.paths
    assert (forward.path, forward.world, forward.result, forward.why) == (
        "stop-first", "all clients on the shim", "no violation", [],
    )  # fmt: skip
    assert (back.path, back.result) == ("rollback-1", "no violation")
    assert forward.bounds == "1 partition, 1 record each, no fault, any number of kills"
    assert forward.states is not None
    assert forward.states > 500
    assert (forward.violations, forward.violation) == (0, "")
    assert (section.file, section.procedure) == ("found.json", results.procedure_hash())
    assert "does not prove the cutover" in section.note


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (bounded, "a bound ended the search before it was complete"),
        (walked, "30 random walks visited some states only"),
        (only_gates, "its states were not visited"),
        (other_product, "it was explored with kafka-cutover 0.0.9, and this is "),
        (other_code, "the code of the procedure is not the one that was explored"),
        (lacks_a_gate, "gates were left out: producers-to-target/before/mirror at zero"),
        (other_steps, "the explored path of this name has other steps"),
        (unsafe, "or gates that are switched off"),
    ],
)
def test_what_does_not_match_is_no_proof(found: str, tmp_path: Path, change: Change, words: str) -> None:
    row = first(report(tmp_path, of(found, change)))
    assert row.result == "not proved"
    assert words in "; ".join(row.why)


def test_a_path_that_was_not_explored_is_named(found: str, tmp_path: Path) -> None:
    report_ = report(tmp_path, of(found, lambda content: content.update(paths=content["paths"][1:])))
    assert (first(report_).path, first(report_).result) == ("stop-first", "not explored")


def test_a_rehearsal_by_another_version_is_no_proof(found: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", SHAPES[:1])
    facts = json.loads((run / "rehearsal.json").read_text("utf-8"))
    facts["versions"]["kafka-cutover"] = "0.0.9"
    (run / "rehearsal.json").write_text(json.dumps(facts), "utf-8")
    (run / "explored.json").write_text(found, "utf-8")
    row = first(build([run]).report)
    assert row.result == "not proved"
    assert row.why[0].endswith("rehearsed with 0.0.9")


def test_without_a_file_one_line_says_how_to_make_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", SHAPES[:1])
    section = write_report(run).explored
    assert (section.file, section.paths) == (None, [])
    markdown = (run / "report.md").read_text("utf-8")
    assert "kafka-cutover scenarios explore --all --json explored.json" in markdown
    assert "no violation" not in markdown


def test_a_clean_result_changes_no_verdict(found: str, tmp_path: Path) -> None:
    with_file, without = report(tmp_path / "a", found), report(tmp_path / "b", None)
    same = with_file.model_copy(update={"explored": without.explored})
    # Commands name the folder that was read, and keep its result file.
    kept = f" --explored {tmp_path / 'a' / 'found.json'}"
    assert same.model_dump_json().replace(kept, "") == without.model_dump_json().replace(
        str(tmp_path / "b"), str(tmp_path / "a")
    )


def test_a_violation_of_the_taken_path_is_a_condition(found: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [replace(SHAPES[0], name="stop-first")], target_kind="AutoMQ")
    (tmp_path / "policy.toml").write_text(
        '[evidence]\nreversible = []\nnegative_controls = 0\n[limits]\nduplicated_on_switchover = "any"\n', "utf-8"
    )
    (tmp_path / "found.json").write_text(of(found, violated), "utf-8")
    before = build([run], tmp_path / "policy.toml").report
    after = build([run], tmp_path / "policy.toml", tmp_path / "found.json").report
    (risk,) = [risk for risk in after.routes[0].risks if risk.id == "explored"]
    assert (risk.level, risk.command) == ("condition", "kafka-cutover scenarios explore --all --json explored.json")
    assert "records 0 are never delivered" in risk.answer
    assert len(after.routes[0].conditions) == len(before.routes[0].conditions) + 1
    assert (before.decision, after.decision) == ("GO", "GO WITH CONDITIONS")
    assert [(path.decision, len(path.open)) for path in after.routes[0].paths] == [("GO WITH CONDITIONS", 1)]
    assert not [risk for risk in before.routes[0].risks if risk.id == "explored"]


def test_a_violation_with_other_code_stays_a_condition_and_is_marked(found: str, tmp_path: Path) -> None:
    report_ = report(tmp_path, of(found, violated, other_code))
    row = first(report_)
    assert (row.result, row.why) == ("violation", ["the code of the procedure is not the one that was explored"])
    assert [risk.id for risk in report_.routes[0].risks if "is not the one that was explored" in risk.answer]


def test_a_violation_without_a_gate_is_no_condition(found: str, tmp_path: Path) -> None:
    report_ = report(tmp_path, of(found, violated, lacks_a_gate))
    assert first(report_).result == "not proved"
    assert "explored" not in [risk.id for risk in report_.routes[0].risks]


def test_a_violation_never_makes_a_no_better(found: str, tmp_path: Path) -> None:
    lost = [replace(SHAPES[0], lost=3, outcome="FAIL", reasons=("lost: 3",))]
    assert report(tmp_path, of(found, violated), lost).decision == "NO-GO"


def test_gates_are_one_line_each(found: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", SHAPES[:1])
    (run / "explored.json").write_text(of(found, with_gates), "utf-8")
    write_report(run)
    for name in ("report.md", "report.html"):
        text = (run / name).read_text("utf-8")
        assert "one: a record is lost" in text
        assert "two: a record is lost (once the gates of this name at other steps are left out as well)" in text
        assert "three: no damage found without it" in text
        assert "four: a bound ended the search without it" in text


def test_a_violation_is_written_with_its_trace_and_marked(found: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", SHAPES[:1])
    (run / "explored.json").write_text(of(found, violated), "utf-8")
    write_report(run)
    markdown = (run / "report.md").read_text("utf-8")
    assert "| VIOLATION |" in markdown
    assert "1. a conductor starts\n2. records 0 are never delivered" in markdown
    assert markdown.rindex("## ") == markdown.index("## Explored")
    html = (run / "report.html").read_text("utf-8")
    assert "<li>a conductor starts</li><li>records 0 are never delivered</li>" in html
    assert html.index('id="environment"') < html.index('id="explored"') < html.index("</main>")


def test_markup_in_the_file_stays_text(found: str, tmp_path: Path) -> None:
    def hostile(content: dict[str, Any]) -> None:
        violated(content)
        content["paths"][0]["violation"]["trace"][0] = "<script>alert(1)</script> | [x](http://x)"

    run = write_run(tmp_path / "run", SHAPES[:1])
    (run / "explored.json").write_text(of(found, hostile), "utf-8")
    write_report(run)
    assert "<script>alert" not in (run / "report.html").read_text("utf-8")
    assert "\\<script\\>" in (run / "report.md").read_text("utf-8")


def test_the_option_comes_before_the_folders_file(found: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", SHAPES[:1])
    (run / "explored.json").write_text("{", "utf-8")
    (tmp_path / "good.json").write_text(found, "utf-8")
    assert write_merged([run], run, None, tmp_path / "good.json").report.explored.file == "good.json"
    with pytest.raises(UsageError, match=r"explored\.json: not valid JSON"):
        write_report(run)


def test_it_belongs_to_a_report_of_rehearsals(found: str, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, SHAPES[:1]) for name in ("a", "b")]
    with pytest.raises(UsageError, match="--compare writes no report: leave it out"):
        report_command(runs, compare_them=True, explored=tmp_path / "found.json")
