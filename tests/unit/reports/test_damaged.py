"""A run folder with its files damaged, one at a time and in pairs: a report, or one line, and never a traceback."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.errors import UsageError
from cutover_reports import report_command
from cutover_reports.build import build
from cutover_reports.html import html
from cutover_reports.model import Report

from tests.unit.reports.run_folders import BACK, SHAPES, Shape, write_run

STOP_FIRST = SHAPES[0]
FILES = ("rehearsal.json", "stop-first/run.json", "stop-first/verdict.json")


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _dangling(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "empty": lambda file: file.write_bytes(b""),
    "truncated": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "binary": lambda file: file.write_bytes(b"\xff\x00\xfe"),
    "deep": lambda file: file.write_bytes(b"[" * 200_000),
    "list": lambda file: file.write_text("[]"),
    "null": lambda file: file.write_text("null"),
    "not a number": lambda file: file.write_text('{"seed": NaN}'),
    "folder": _folder,
    "fifo": _fifo,
    "dangling link": _dangling,
}


def rendered(out: Path) -> Report:
    """Build the report and draw its page, which fails for what it cannot show."""
    built = build([out])
    assert built.report.headline in html(built)
    return built.report


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", [STOP_FIRST])


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_each_file_damaged_gives_a_report_that_names_it(whole: Path, name: str, damage: str) -> None:
    DAMAGE[damage](whole / name)
    report = rendered(whole)
    assert any(name in line for line in report.missing), report.missing
    if name != "rehearsal.json":
        assert report.scenarios[0].outcome == "INCONCLUSIVE"
        assert report.decision == "INCONCLUSIVE"


def test_pairs_of_damaged_files_give_a_report(tmp_path: Path) -> None:
    source = write_run(tmp_path / "source", [STOP_FIRST])
    some = ("deleted", "empty", "truncated", "list")
    for number, (names, how) in enumerate(product(combinations(FILES, 2), product(some, repeat=2))):
        out = tmp_path / str(number)
        shutil.copytree(source, out)
        for name, damage in zip(names, how, strict=True):
            DAMAGE[damage](out / name)
        report = rendered(out)
        assert report.decision == "INCONCLUSIVE", (names, how)
        assert report.missing


def test_a_folder_in_which_only_names_are_left_is_reported(whole: Path) -> None:
    for name in FILES[1:]:
        (whole / name).unlink()
    assert rendered(whole).scenarios[0].outcome == "not rehearsed"
    shutil.rmtree(whole / "stop-first")
    report = rendered(whole)
    assert report.missing == ["stop-first was not rehearsed: the rehearsal ended before it began"]
    (whole / "rehearsal.json").unlink()
    with pytest.raises(UsageError, match=r"neither a rehearsal .no rehearsal\.json, no scenario folder"):
        build([whole])


@pytest.mark.parametrize("damage", ["truncated", "binary", "deep", "folder", "fifo", "dangling link"])
def test_a_damaged_policy_is_refused_in_one_line(whole: Path, damage: str) -> None:
    policy = whole / "policy.toml"
    policy.write_text("[limits]\nlost = 0\nstranded =")
    DAMAGE[damage](policy)
    with pytest.raises(UsageError, match=r"policy\.toml: ") as refused:
        build([whole])
    assert "\n" not in str(refused.value)


def test_a_rollback_whose_path_is_not_known_is_no_switchover(tmp_path: Path) -> None:
    out = write_run(tmp_path, [Shape("back", "Back", BACK[4])])
    (out / "back" / "run.json").unlink()
    report = rendered(out)
    assert report.scenarios[0].outcome == "INCONCLUSIVE"
    assert report.decision == "INCONCLUSIVE"


def _values(content: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return where values stand in a document, of each list the first item alone."""
    if isinstance(content, dict):
        return [at, *(place for key, value in content.items() for place in _values(value, (*at, key)))]
    if isinstance(content, list):
        return [at, *(_values(content[0], (*at, 0)) if content else [])]
    return [at]


@pytest.mark.parametrize("name", FILES)
def test_values_of_another_type_give_a_report(whole: Path, name: str) -> None:
    original = json.loads((whole / name).read_text("utf-8"))
    for place in (place for place in _values(original)[1:] if len(place) < 4):
        for odd in ("odd", 10**400):
            content = json.loads(json.dumps(original))
            inner = content
            for part in place[:-1]:
                inner = inner[part]
            inner[place[-1]] = odd
            (whole / name).write_text(json.dumps(content), "utf-8")
            try:
                report = build([whole]).report
            except UsageError as why:
                assert "\n" not in str(why)  # noqa: PT017 - a report or one line
                continue
            assert report.model_dump_json()


UNKNOWN_WORDS = [
    ("run.json", ("marks", 0, "kind")),
    ("run.json", ("cuts", 0, "role")),
    ("verdict.json", ("verdict", "outcome")),
    ("verdict.json", ("judgement", "blackouts", 0, "role")),
]


@pytest.mark.parametrize(("name", "place"), UNKNOWN_WORDS)
def test_unknown_word_in_a_file_is_one_line_of_the_report(whole: Path, name: str, place: tuple[str | int, ...]) -> None:
    file = whole / STOP_FIRST.name / name
    content = inner = json.loads(file.read_text("utf-8"))
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = "nonsense"
    file.write_text(json.dumps(content), "utf-8")
    code = report_command([whole])
    report = json.loads((whole / "report.json").read_text("utf-8"))
    named = [line for line in report["missing"] if "'nonsense'" in line]
    assert code == 3
    assert len(named) == 1
    assert f"{STOP_FIRST.name}/{name}: " in named[0]
    assert f".{place[-1]}: is 'nonsense'; it is one of" in named[0]


def _not_completed(facts: Any, _: Any) -> None:
    facts["completed"] = False


def _of_another_run(facts: Any, _: Any) -> None:
    facts["run"] += 1


def _condition_not_met(facts: Any, _: Any) -> None:
    facts["preconditions"][0]["held"] = False


def _in_doubt(_: Any, judgement: Any) -> None:
    judgement["doubts"] = ["audit-1: its ledger is missing"]


def _without_groups(_: Any, judgement: Any) -> None:
    judgement["groups"] = []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_not_completed, "run.json says that the path was not completed"),
        (_of_another_run, "verdict.json is of run 1, and run.json of run 2"),
        (_condition_not_met, "a precondition does not hold: producers moved from source to target mid-traffic"),
        (_in_doubt, "what it rests on is in doubt: audit-1: its ledger is missing"),
        (_without_groups, "without its measures it is unknown what passed"),
    ],
)
def test_a_pass_that_its_own_files_contradict_is_none(
    whole: Path, change: Callable[[Any, Any], None], reason: str
) -> None:
    assert build([whole]).report.scenarios[0].outcome == "PASS"
    run, verdict = whole / "stop-first" / "run.json", whole / "stop-first" / "verdict.json"
    facts, found = json.loads(run.read_text("utf-8")), json.loads(verdict.read_text("utf-8"))
    change(facts, found["judgement"])
    run.write_text(json.dumps(facts), "utf-8")
    verdict.write_text(json.dumps(found), "utf-8")
    report = rendered(whole)
    assert report.scenarios[0].outcome == "INCONCLUSIVE"
    assert reason in report.scenarios[0].reasons[0]
    assert report.decision == "INCONCLUSIVE"
