"""Ctrl-C of a load: the first ends it in order, the second immediately, with its workers and without a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from cutover_harness import exit_codes
from cutover_harness.load import locust_process
from cutover_harness.load.coordinator import Coordinator
from cutover_harness.load.interruption import INTERRUPTIONS

from tests.waiting import wait_until

LOCUSTFILE = """
import pathlib, signal, time
import gevent
from locust import User, events, task
from locust import runners
from locust.runners import WorkerRunner

runners.HEARTBEAT_LIVENESS = 60  # a busy machine
HERE = pathlib.Path(__file__).parent

class Idle(User):
    @task
    def wait(self):
        gevent.sleep(0.1)

@events.test_start.add_listener
def start(environment, **_):
    if not isinstance(environment.runner, WorkerRunner):
        (HERE / "runs").touch()

@events.init.add_listener
def prepare(environment, **_):
    if isinstance(environment.runner, WorkerRunner):
        signal.signal(signal.SIGINT, signal.SIG_IGN)

@events.quitting.add_listener
def clean_up(environment, **_):
    if not isinstance(environment.runner, WorkerRunner):
        (HERE / "ends").touch()
        gevent.sleep(HANGS_S)
"""
OPTIONS = ["--headless", "--users", "2", "--processes", "2"]


@pytest.fixture
def load(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    file = tmp_path / "locustfile.py"
    file.write_text(LOCUSTFILE.replace("HANGS_S", str(request.param)))
    command = [sys.executable, "-m", "cutover_harness.load.main", "--locustfile", str(file), *OPTIONS]
    command += locust_process.own_port([])
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            wait_until((tmp_path / "runs").exists)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def left_of(children: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in children if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("load", [3600], indirect=True)
def test_a_second_interruption_ends_the_load_and_its_workers(load: subprocess.Popen[str], tmp_path: Path) -> None:
    children = psutil.Process(load.pid).children(recursive=True)
    assert len(children) >= 2
    os.killpg(load.pid, signal.SIGINT)  # as a terminal does
    wait_until((tmp_path / "ends").exists)
    os.killpg(load.pid, signal.SIGINT)
    _, err = load.communicate(timeout=60)
    assert load.returncode == exit_codes.INTERRUPTED
    assert "Traceback" not in err
    assert err.rstrip().endswith("interrupted while the load ended: its processes were stopped, and there is no result")
    wait_until(lambda: not left_of(children), 30)


@pytest.mark.parametrize("load", [0], indirect=True)
def test_one_interruption_ends_it_in_order(load: subprocess.Popen[str], tmp_path: Path) -> None:
    children = psutil.Process(load.pid).children(recursive=True)
    os.killpg(load.pid, signal.SIGINT)
    _, err = load.communicate(timeout=60)
    assert (tmp_path / "ends").exists()
    assert load.returncode == 0
    assert "interrupted" not in err
    assert "Traceback" not in err
    wait_until(lambda: not left_of(children), 30)


def test_the_command_runs_locust_in_this_way(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _program, command, _environment: found.append(command))
    monkeypatch.setattr(locust_process, "hand_over", lambda _content: "")
    settings: Any = type("Settings", (), {"model_dump_json": lambda _self: "{}"})()
    run: Callable[..., object] = locust_process.run_locust  # which does not return, unless `execve` does
    run(["--headless"], settings, None)
    assert found[0][1:3] == ["-m", "cutover_harness.load.main"]


def test_an_interruption_while_a_load_ends_is_the_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    coordinator = Coordinator.__new__(Coordinator)
    coordinator._finishing, coordinator._workers, coordinator.result = False, {"a": None}, None  # type: ignore[dict-item]
    monkeypatch.setattr(Coordinator, "_finish", lambda _self: seen.append(INTERRUPTIONS.ending))
    coordinator.finish()
    assert [*seen, INTERRUPTIONS.ending] == [True, False]
