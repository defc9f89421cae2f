"""`rehearse --testbed docker` as a user runs it, ended in every way, with nothing left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from cutover_harness.testbed.docker import engine

from tests import waiting

eventually = partial(waiting.eventually, seconds=60)


PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()"]
MARK = "CUTOVER_TEST_MARK"
DELAYED = """\
name: delayed
title: A delay that this kernel may not know
path: [create-task, synchronise, stop-consumers, consumers-to-source]
faults:
  - {kind: delay, of: source, at: stop-consumers, delay_ms: 20, seconds: 1}
"""


@pytest.fixture(scope="module")
def options(image: str) -> list[str]:
    images = ["--source-image", image, "--target-image", image, "--netem-image", image]
    return ["rehearse", "--testbed", "docker", "--seed", "7", *images]


def outcome(out: Path, scenario: str) -> str:
    verdict: dict[str, Any] = json.loads((out / scenario / "verdict.json").read_text(encoding="utf-8"))["verdict"]
    return str(verdict["outcome"])


def of_process(client: Any, pid: int) -> list[str]:
    return [name for name, _ in engine.ours(client, lambda labels: labels.get(engine.PID) == str(pid))]


def test_the_default_rehearsal_passes(options: list[str], tmp_path: Path, client: Any) -> None:
    done = subprocess.run([*PROGRAM, *options], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS (caught)" in done.stdout
    out = tmp_path / "cutover-out"
    facts = json.loads((out / "rehearsal.json").read_text(encoding="utf-8"))
    assert facts["target_kind"] == "stand-in"
    assert "standing in for AutoMQ" in facts["environment"]["target"]
    for name in facts["scenarios"]:
        logs = out / name / "logs"
        assert "Connect started" in (logs / "connect.log").read_text(encoding="utf-8", errors="replace")
        assert (logs / "kafka-source.log").stat().st_size
        assert (logs / "kafka-target.log").stat().st_size


def test_a_fault_that_the_kernel_does_not_know_proves_nothing(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "delayed.yaml").write_text(DELAYED, encoding="utf-8")
    done = subprocess.run(
        [*PROGRAM, *options, "delayed.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    print(done.stdout, done.stderr)
    facts = json.loads((tmp_path / "cutover-out" / "delayed" / "run.json").read_text(encoding="utf-8"))
    (precondition,) = [each for each in facts["preconditions"] if each["name"] == "fault delay source hit"]
    if precondition["held"]:
        assert "qdisc netem" in precondition["evidence"]
    else:
        assert precondition["evidence"].startswith("unavailable: netem")
        assert outcome(tmp_path / "cutover-out", "delayed") == "INCONCLUSIVE"
        assert "fault delay source hit not proven: unavailable: netem: " in done.stdout
        assert done.returncode == 3


@pytest.mark.parametrize("number", range(int(os.environ.get("CUTOVER_TEST_INTERRUPTS", "4"))))
def test_an_interruption_leaves_nothing(options: list[str], tmp_path: Path, client: Any, number: int) -> None:
    log = tmp_path / "said"
    with log.open("w") as said:
        process = subprocess.Popen(
            [*PROGRAM, *options, "--target-ack-delay", "5", "stop-first"],
            cwd=tmp_path,
            stdout=said,
            stderr=said,
            start_new_session=True,
            env={**os.environ, MARK: str(tmp_path)},
        )
    assert eventually(lambda: bool(log.read_text())), "it has begun"
    moment = random.choice((0, 0.7, random.uniform(0, 15)))  # noqa: S311 - also while nothing is up yet
    time.sleep(moment)
    there, processes = of_process(client, process.pid), marked(tmp_path)
    assert process.pid in processes
    began = time.monotonic()
    process.send_signal(signal.SIGTERM if number % 2 else signal.SIGINT)
    process.wait(timeout=90)
    took = time.monotonic() - began
    print(f"after {moment:.1f} s with {len(there)} things and {len(processes)} processes: gone {took:.1f} s later")
    assert process.returncode == 130, log.read_text()
    assert not of_process(client, process.pid)
    assert not marked(tmp_path)


def test_leftovers_of_a_killed_run_are_removed(options: list[str], tmp_path: Path, client: Any) -> None:
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            [*PROGRAM, *options, "stop-first"], cwd=tmp_path, stdout=said, stderr=said, start_new_session=True
        )
        assert eventually(lambda: len(of_process(client, process.pid)) >= 4), (tmp_path / "said").read_text()
        alive = doctor(tmp_path)
        process.kill()
        process.wait()
    left = of_process(client, process.pid)
    assert left
    assert not any(name in alive for name in left), "what belongs to a process that lives is left alone"
    assert all(name in doctor(tmp_path) for name in left)
    assert of_process(client, process.pid) == left, "looking removes nothing"
    cleaned = doctor(tmp_path, "--clean")
    assert all(f"removed {name}" in cleaned for name in left)
    assert not of_process(client, process.pid)


def doctor(folder: Path, *args: str) -> str:
    return subprocess.run(
        [*PROGRAM, "doctor", *args], cwd=folder, capture_output=True, text=True, timeout=120, check=True
    ).stdout


def marked(folder: Path) -> list[int]:
    """Processes that were started below the one that was marked with this folder."""
    return [
        process.pid
        for process in psutil.process_iter(["environ", "status"])
        if (process.info["environ"] or {}).get(MARK) == str(folder) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]
