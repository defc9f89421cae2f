"""Folders and files of an earlier version still report, judge, resume, roll back and validate."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.standing import look

from tests.unit.conductor.run_folder import Cli, command_line, contents
from tests.written_earlier import unpack


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    return unpack(tmp_path)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    with command_line(monkeypatch, capsys) as call:
        yield call


def read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def names(report: Any, kind: str) -> list[str]:
    """Return the names of all marks of one kind."""
    return [mark["name"] for scenario in report["scenarios"] for mark in scenario["marks"] if mark["kind"] == kind]


def test_report_decides_as_it_did(earlier: Path, cli: Cli) -> None:
    folder = earlier / "rehearsal"
    before = read(folder / "report.json")
    assert cli("report", str(folder))[0] == 0
    after = read(folder / "report.json")
    assert after["decision"] == before["decision"]
    assert [s["outcome"] for s in after["scenarios"]] == [s["outcome"] for s in before["scenarios"]] == ["PASS"] * 5
    assert not after["missing"]
    assert names(after, "step") == names(before, "act") != []


@pytest.mark.parametrize("name", ["in-process", "producers-first"])
def test_judge_judges_as_it_did(earlier: Path, cli: Cli, name: str) -> None:
    folder = earlier / "rehearsal" / name
    before = read(folder / "verdict.json")["verdict"]
    code, out, err = cli("judge", str(folder), "--json")
    assert code == 0, err
    verdict = json.loads(out)["verdict"]
    assert (verdict["outcome"], verdict["caught"]) == (before["outcome"], before["caught"])


def test_an_earlier_ledger_that_was_truncated_is_refused(earlier: Path, cli: Cli) -> None:
    """The negative control: the ledger's rows are read and checked, not skipped."""
    folder = earlier / "rehearsal" / "in-process"
    journal = folder / "ledger" / "audit-1" / "journal.bin"
    journal.write_bytes(journal.read_bytes()[: journal.stat().st_size // 2])
    code, _, err = cli("judge", str(folder))
    assert code == 2
    assert "journal.bin: truncated" in err


def test_the_state_of_a_killed_conductor_is_kept(earlier: Path) -> None:
    standing = look(earlier / "begun")
    assert (standing.state.stage, standing.state.consumers, standing.state.producers) == (3, "hold", "source")
    assert [str(step) for step in standing.left(back=False)] == ["stop-consumers", "stop-producers", "delete-task"]
    assert [str(step) for step in standing.left(back=True)] == ["consumers-to-source", "delete-task"]


@pytest.mark.parametrize("command", ["resume", "rollback"])
@pytest.mark.parametrize("name", ["begun", "rehearsal/in-process", "rehearsal/two-batches/batches/weather"])
def test_commands_get_as_far_as_the_clusters(earlier: Path, cli: Cli, command: str, name: str) -> None:
    folder = earlier / name
    before = contents(folder)
    code, _, err = cli(command, str(folder), *(["--dry-run"] if command == "rollback" else []))
    assert code == 2
    assert any(reason in err for reason in ("does not answer", "finished", "--force")), err
    assert contents(folder) == before


def test_a_damaged_journal_is_refused(earlier: Path, cli: Cli) -> None:
    """The negative control: it is the journal's content that was understood, not its presence."""
    with sqlite3.connect(earlier / "begun" / "journal.sqlite") as journal:
        journal.execute("DELETE FROM entry")
    code, _, err = cli("resume", str(earlier / "begun"))
    assert code == 2
    assert "does not answer" not in err


def test_scenario_files_stay_valid(earlier: Path, cli: Cli) -> None:
    for file in sorted((earlier / "scenarios").glob("*.yaml")):
        code, _, err = cli("scenarios", "validate", str(file))
        assert code == 0, f"{file.name}: {err}"
