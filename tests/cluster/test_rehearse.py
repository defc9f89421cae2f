"""The main command as a user runs it: real brokers, real MirrorMaker 2, real app processes, and nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import running_below, wait_until

PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()"]


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """`kafka-cutover rehearse`, once for the module."""
    folder = tmp_path_factory.mktemp("rehearse")
    done = subprocess.run(
        [*PROGRAM, "rehearse", "--seed", "7"], cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    print(done.stdout, done.stderr)
    return done, folder / "cutover-out"


def report_of(out: Path, scenario: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / scenario / "verdict.json").read_text(encoding="utf-8"))
    return found


def total(out: Path, scenario: str, measure: str) -> int:
    return sum(group[measure] for group in report_of(out, scenario)["judgement"]["groups"])


def test_the_default_set_passes(rehearsed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = rehearsed
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS (caught)" in done.stdout


def test_the_documented_switchover_loses_nothing_and_keeps_order(
    rehearsed: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    _, out = rehearsed
    assert report_of(out, "stop-first")["verdict"]["outcome"] == "PASS"
    assert total(out, "stop-first", "lost") == total(out, "stop-first", "reordered") == 0
    assert all(
        group["acked"] > 1000 and group["drained"] for group in report_of(out, "stop-first")["judgement"]["groups"]
    )


def test_the_rollback_from_stage_4_reads_again_what_was_read_on_the_target(
    rehearsed: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    _, out = rehearsed
    for group in report_of(out, "rollback-from-4")["judgement"]["groups"]:
        assert group["lost"] == group["reordered"] == 0
        assert group["duplicated"]["re_read_across"] > 0
        assert group["duplicated"]["mirrored_twice"] == group["duplicated"]["producer_retry"] == 0


def test_the_negative_control_fails_for_disorder(rehearsed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, out = rehearsed
    verdict = report_of(out, "producers-first")["verdict"]
    assert (verdict["outcome"], verdict["control"], verdict["caught"]) == ("PASS", True, True)
    assert total(out, "producers-first", "reordered") > 0


def test_the_run_folder_is_whole(rehearsed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, out = rehearsed
    facts = json.loads((out / "rehearsal.json").read_text(encoding="utf-8"))
    assert facts["seed"] == 7
    assert facts["finished"]
    assert facts["scenarios"] == ["stop-first", "rollback-from-4", "producers-first"]
    assert facts["environment"]["target"] == "Apache Kafka 3.9.1 standing in for AutoMQ"
    for name in ("report.html", "report.md", "report.json", "junit.xml"):
        assert (out / name).stat().st_size > 500
    assert "standing in for AutoMQ" in (out / "report.html").read_text(encoding="utf-8")
    assert (out / "stop-first" / "logs" / "connect.log").is_file()
    assert not (out / "stop-first" / "testbed").exists()


def test_files_are_private(rehearsed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, out = rehearsed
    files = [out, *out.rglob("*")]
    assert len(files) > 100
    assert [str(f) for f in files if not f.is_symlink() and f.stat().st_mode & 0o077] == []


def test_nothing_is_left_running(rehearsed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, out = rehearsed
    assert not running_below(out)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: str(how.name))
def test_an_interrupted_rehearsal_leaves_nothing_behind(tmp_path: Path, how: signal.Signals) -> None:
    log = tmp_path / "log"
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen([*PROGRAM, "rehearse", "stop-first"], cwd=tmp_path, stdout=out, stderr=out)
    wait_until(lambda: "2/7 synchronise" in log.read_text(encoding="utf-8") or process.poll() is not None)
    assert process.poll() is None, log.read_text(encoding="utf-8")
    assert len(running_below(tmp_path)) >= 8  # three JVMs and five apps: the check below can fail
    process.send_signal(how)
    code = process.wait(60)
    if how != signal.SIGKILL:
        assert code == 130, log.read_text(encoding="utf-8")
        assert log.read_text(encoding="utf-8").strip().endswith("interrupted; everything that was started has ended")
        assert not running_below(tmp_path)
    wait_until(lambda: not running_below(tmp_path))
