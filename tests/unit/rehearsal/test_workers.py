"""Tasks at once: order, failures, and an interruption that leaves neither a task nor a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cutover_harness.processes import Process, spawn
from cutover_harness.rehearsal.workers import run_in_parallel

from tests.waiting import wait_until


def test_tasks_begin_in_order_and_no_more_than_jobs_run_in_parallel() -> None:
    begun: list[int] = []
    running, most = 0, 0
    lock = threading.Lock()

    def task(number: int) -> None:
        nonlocal running, most
        with lock:
            begun.append(number)
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    run_in_parallel([lambda n=n: task(n) for n in range(6)], 2)  # type: ignore[misc]
    assert begun == list(range(6))
    assert most == 2


def test_tasks_do_run_side_by_side() -> None:
    both = threading.Barrier(2)
    run_in_parallel([lambda: (both.wait(10), None)[1]] * 2, 2)  # would time out one after the other


def test_a_failure_ends_the_others_and_is_raised() -> None:
    interrupted = threading.Event()
    begun = threading.Event()
    after: list[int] = []

    def long() -> None:
        begun.set()
        try:
            for _ in range(3000):
                time.sleep(0.01)
        except KeyboardInterrupt:
            interrupted.set()
            raise

    def fails() -> None:
        begun.wait(10)
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        run_in_parallel([long, fails, lambda: after.append(1)], 2)
    assert interrupted.is_set()
    assert not after


def test_no_task_begins_after_one_that_failed_to_clean_up() -> None:
    after: list[int] = []
    begun = threading.Event()

    def swallows() -> None:
        begun.set()
        try:
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt:
            pass

    def fails() -> None:
        begun.wait(10)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_in_parallel([swallows, fails, lambda: after.append(1)], 2)
    assert not after


def test_processes_that_a_failed_task_leaves_are_stopped(tmp_path: Path) -> None:
    left: list[Process] = []

    def leaves() -> None:
        left.append(spawn(["sleep", "600"], stdout=tmp_path / "log"))
        raise ZeroDivisionError

    other = spawn(["sleep", "600"], stdout=tmp_path / "other")  # of whoever runs the tasks, and no affair of theirs
    try:
        with pytest.raises(ZeroDivisionError):
            run_in_parallel([leaves], 1)
        assert not left[0].running
        assert other.running
    finally:
        other.kill()


PROGRAM = """
import sys, time
from pathlib import Path
from cutover_harness.processes import spawn
from cutover_harness.rehearsal.workers import run_in_parallel

def task(number):
    process = spawn(["sleep", "600"], stdout=Path(f"log-{number}"))
    try:
        Path(f"pid-{number}").write_text(str(process.pid))
        while True:
            time.sleep(0.05)
    except KeyboardInterrupt:
        Path(f"cleaned-{number}").touch()
        raise

try:
    run_in_parallel([lambda: task(1), lambda: task(2), lambda: task(3)], 2)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_ctrl_c_reaches_every_task(tmp_path: Path) -> None:
    tool = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=tmp_path, env=os.environ | {"PYTHONPATH": _path()})

    def both_run() -> bool:
        assert tool.poll() is None
        return all(_read(tmp_path / f"pid-{number}") for number in (1, 2))

    wait_until(both_run, 30)
    children = [int(_read(tmp_path / f"pid-{number}")) for number in (1, 2)]
    assert all(Path(f"/proc/{pid}").exists() for pid in children)
    tool.send_signal(signal.SIGINT)
    assert tool.wait(30) == 130
    assert (tmp_path / "cleaned-1").exists()
    assert (tmp_path / "cleaned-2").exists()
    assert not (tmp_path / "pid-3").exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _path() -> str:
    return os.pathsep.join(path for path in sys.path if path)
