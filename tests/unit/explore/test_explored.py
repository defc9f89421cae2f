"""The result file of `scenarios explore`: its content, and files that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cutover_harness import __version__
from cutover_harness.cli.scenarios_explore import explore
from cutover_harness.cli.scenarios_explored import Shown
from cutover_harness.errors import UsageError
from cutover_harness.explore import explored
from cutover_harness.explore.explored import path_hash, procedure_hash, read_explored

UNSAFE = "producers-to-target/before/mirror at zero"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("explored") / "explored.json"
    assert explore(["rollback-from-1", "rollback-from-2"], records=1, faults=0, jobs=1, result_file=file) == 0
    return file.read_text("utf-8")


def changed(text: str, where: str, value: object) -> str:
    content: Any = json.loads(text)
    *way, last = where.split(".")
    at = content
    for key in way:
        at = at[int(key)] if key.isdigit() else at[key]
    at[last] = value
    return json.dumps(content)


def test_it_has_what_was_explored(written: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(written, "utf-8")
    found = read_explored(tmp_path / "a.json")
    assert (found.format, found.product, found.procedure) == (1, __version__, procedure_hash())
    first, second = found.paths
    assert (first.name, second.name) == ("rollback-from-1", "rollback-from-2")
    assert first.complete
    assert first.searched
    assert (first.violations, first.violation) == (0, None)
    assert 0 < first.states < second.states
    assert (first.bounds.records, first.bounds.faults, first.bounds.kills) == (1, 0, True)
    assert first.steps[0].step == "create-task"
    assert first.sha256 != second.sha256


def test_the_same_exploration_gives_the_same_file(written: str, tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    explore(["rollback-from-1", "rollback-from-2"], records=1, faults=0, jobs=2, result_file=again)
    assert again.read_text("utf-8") == written


def test_a_violation_is_in_it_with_its_trace(tmp_path: Path) -> None:
    file = tmp_path / "explored.json"
    assert explore(["in-process"], records=2, faults=0, without=UNSAFE, result_file=file) == 1
    (path,) = read_explored(file).paths
    assert (path.violations, path.without, path.complete) == (1, [UNSAFE], False)
    assert path.violation is not None
    assert (path.violation.kind, path.violation.trace[-1]) == ("lost", path.violation.words)


def test_necessity_has_the_path_and_the_damage_that_each_gate_prevents(tmp_path: Path) -> None:
    file = tmp_path / "explored.json"
    explore(["rollback-from-2"], records=1, faults=1, kinds=["foreign-record"], every_gate=True, result_file=file)
    (path,) = read_explored(file).paths
    assert path.complete
    gates = {gate.gate: gate for gate in path.gates}
    assert gates["one conductor at a time"].prevents is not None
    assert gates["create-task/after/mirror running"].prevents is None


def test_bounds_that_no_search_reaches_are_in_a_file_that_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "explored.json"
    explore(["rollback-from-1"], records=1, faults=0, seconds=float("inf"), states=10**30, jobs=1, result_file=file)
    assert "Infinity" not in file.read_text("utf-8")
    assert read_explored(file).paths[0].bounds.seconds is None


def test_random_walks_are_no_search(tmp_path: Path) -> None:
    file = tmp_path / "explored.json"
    explore(["in-process"], faults=0, walks=3, result_file=file)
    (path,) = read_explored(file).paths
    assert (path.walks, path.searched, path.complete) == (3, False, False)


def test_another_path_and_another_procedure_have_another_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    first = explored.Explored.model_validate_json(written).paths[0]
    unsafe = [first.steps[0].model_copy(update={"safety": False}), *first.steps[1:]]
    hashes = {
        path_hash(first.steps, "shim", planned=False),
        path_hash(first.steps, "restart", planned=False),
        path_hash(first.steps, "shim", planned=True),
        path_hash(unsafe, "shim", planned=False),
    }
    assert len(hashes) == 4
    (tmp_path / "procedure").mkdir()
    (tmp_path / "procedure" / "steps.py").write_text("one\n", "utf-8")
    monkeypatch.setattr(explored, "_PACKAGE", tmp_path)
    before = procedure_hash.__wrapped__()
    assert before != procedure_hash()
    (tmp_path / "procedure" / "steps.py").write_text("two\n", "utf-8")
    assert procedure_hash.__wrapped__() != before


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("format", 2, "format: found 2, and 1 is wanted"),
        ("format", True, "format: found True"),
        ("product", None, "product: expected text"),
        ("paths.0.states", -1, "paths.0.states: must be 0 or more"),
        ("paths.0.states", 1 << 64, "paths.0.states: "),
        ("paths.0.bounds.records", 1 << 63, "paths.0.bounds.records: "),
        ("paths.0.bounds.faults", -1, "paths.0.bounds.faults: must be 0 or more"),
        ("paths.0.bounds.seconds", float("nan"), "paths.0.bounds.seconds: expected a finite number"),
        ("paths.0.searched", False, "rollback-from-1: complete contradicts searched"),
        ("format", "a" * 9000, "aaa, and 1 is wanted"),
        ("product", "\ud800", "not valid JSON ("),
        ("paths.0.sha256", "0", "rollback-from-1: sha256 is not that of its steps"),
        ("paths.1.violations", 1, "violations: 1 contradicts `violation`"),
        ("paths.0.fleet", "all", "paths.0.fleet: expected 'shim'"),
    ],
)
def test_a_file_that_does_not_agree_is_refused(
    written: str, tmp_path: Path, where: str, value: object, words: str
) -> None:
    file = tmp_path / "explored.json"
    file.write_text(changed(written, where, value), "utf-8")
    with pytest.raises(UsageError, match="write it again with kafka-cutover scenarios explore") as error:
        read_explored(file)
    assert words in str(error.value)
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < len(str(file)) + 300


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}', "[" * 100_000])
def test_what_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "explored.json"
    file.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=r"explored\.json"):
        read_explored(file)


def test_fields_of_a_later_minor_version_are_ignored(written: str, tmp_path: Path) -> None:
    file = tmp_path / "explored.json"
    file.write_text(changed(written, "paths.0.weather", "fair"), "utf-8")
    assert read_explored(file).paths[0].complete


def test_a_file_that_cannot_be_written_is_refused_before_the_search(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        explore(["in-process"], result_file=tmp_path)
    with pytest.raises(UsageError, match="its folder does not exist"):
        explore(["in-process"], result_file=tmp_path / "missing" / "explored.json")


def test_a_folder_for_counterexamples_that_is_a_file_is_refused_before_the_search(tmp_path: Path) -> None:
    file = tmp_path / "there"
    file.write_text("mine")
    with pytest.raises(UsageError, match=r"--out .*there: is a file: give a folder"):
        Shown(None, file)
    assert file.read_text() == "mine"
