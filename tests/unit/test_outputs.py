"""Files and folders that cannot be written are refused before the work begins, with one line and exit code 2."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from cutover_harness.capture.cluster import ClusterView
from cutover_harness.cli import rehearse, scenarios_explore
from cutover_harness.cli.app import run
from cutover_harness.errors import UsageError
from cutover_harness.inventory import command as inventory
from cutover_harness.load import command as load
from cutover_harness.outputs import check_file, check_folder
from cutover_harness.planning import make_command
from cutover_harness.verify import command as verify
from cutover_reports import command as report

FILES = [
    "judge . --partial {}",
    "record t --bootstrap 127.0.0.1:1 --out {}",
    "record t --bootstrap 127.0.0.1:1 --out {} --resume",
    "record --merge a b --out {}",
    "scenarios explore in-process --json {}",
    "inventory --source s.properties -o {}",
    "inventory --source s.properties --html {}",
    "verify plan.yaml --batch b --output {}",
    "plan make inventory.json -o {}",
    "load --once --bootstrap 127.0.0.1:1 --report {}",
]
FOLDERS = [
    "rehearse --out {}",
    "scenarios explore in-process --out {}",
    "report . --out {}",
    "load --once --bootstrap 127.0.0.1:1 --status {}",
]


def work(*_: object, **__: object) -> None:
    raise AssertionError("the work has begun")


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, output: str) -> str:
    monkeypatch.setattr(sys, "argv", ["kafka-cutover", *(part.replace("{}", output) for part in command.split())])
    with pytest.raises(SystemExit) as ended:
        run()
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    return line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ClusterView, "connect", work)
    monkeypatch.setattr("cutover_harness.judge.partial_command.partial_command", work)
    monkeypatch.setattr("cutover_harness.capture.merging.merge", work)
    monkeypatch.setattr(scenarios_explore, "cases", work)
    monkeypatch.setattr(inventory, "collect", work)
    monkeypatch.setattr(inventory, "read_properties", work)
    monkeypatch.setattr(verify, "read_plan", work)
    monkeypatch.setattr(make_command, "read_listing", work)
    monkeypatch.setattr(load, "check_topics", work)
    monkeypatch.setattr(rehearse, "rehearse_all", work)
    monkeypatch.setattr(report, "write_merged", work)
    return tmp_path


@pytest.mark.parametrize("output", ["/proc/x/y", "/proc/y", "none/y", "/dev/null", "folder", "n" * 250])
@pytest.mark.parametrize("command", FILES)
def test_a_file_that_cannot_be_written(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, output: str
) -> None:
    (here / "folder").mkdir()
    line = refused(monkeypatch, capsys, command, output)
    assert output in line
    assert any(part.strip("={}") in line for part in command.split() if part.startswith("-"))
    assert [path.name for path in here.iterdir()] == ["folder"]


@pytest.mark.parametrize("output", ["/proc/x/y", "/proc", "file", "file/x", "n" * 256])
@pytest.mark.parametrize("command", FOLDERS)
def test_a_folder_that_cannot_be_written(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, output: str
) -> None:
    (here / "file").touch()
    line = refused(monkeypatch, capsys, command, output)
    assert output in line
    assert [path.name for path in here.iterdir()] == ["file"]


def test_the_default_folder_of_a_report_is_checked_too(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(monkeypatch, capsys, "report {}", "/proc").startswith(
        "kafka-cutover: report /proc: cannot be written"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_permissions_count(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match=r"-o .*: cannot be written: Permission denied: give another file"):
        check_file(tmp_path / "x", "-o")
    with pytest.raises(UsageError, match=r"-o .*: cannot be written: Permission denied: give another folder"):
        check_folder(tmp_path / "x" / "y", "-o")


def test_a_check_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("content", "utf-8")
    check_file(tmp_path / "there", "-o")
    check_file(tmp_path / "new", "-o")
    check_folder(tmp_path / "new" / "below", "-o")
    check_folder(tmp_path, "-o")
    assert [path.read_text("utf-8") for path in tmp_path.iterdir()] == ["content"]


def test_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("content", "utf-8")
    for name, target in (("file", "there"), ("nowhere", "missing/file")):
        (tmp_path / name).symlink_to(tmp_path / target)
        with pytest.raises(UsageError, match="is a symbolic link, which would be replaced"):
            check_file(tmp_path / name, "-o")
    with pytest.raises(UsageError, match="is a symbolic link to a folder that does not exist"):
        check_folder(tmp_path / "nowhere", "--out")
    (tmp_path / "folder").symlink_to(tmp_path)
    check_folder(tmp_path / "folder", "--out")
