"""Real processes: start, stop, freeze, and that nothing survives the tool however it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from cutover_harness import processes
from cutover_harness.processes import Process, spawn, stop_all, tail

from tests import waiting

eventually = partial(waiting.eventually, seconds=20)


SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(300)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(300)",
]


def is_up(process: Process) -> bool:
    return eventually(lambda: "up" in tail(process.log))


def marked(mark: str) -> list[int]:
    """Process ids, zombies excepted, whose command line has the mark."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if mark in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


@pytest.fixture
def mark() -> Iterator[str]:
    text = f"mark-{uuid.uuid4()}"
    yield text
    for pid in marked(text):
        os.kill(pid, signal.SIGKILL)


def test_exit_code_and_output(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "app.log"
    process = spawn(
        ["sh", "-c", "echo out $WHO; echo err >&2; pwd; cat; exit 7"],
        cwd=tmp_path,
        env={"WHO": "me", "PATH": os.environ["PATH"]},
        stdout=log,
    )
    assert process.wait(20) == 7
    assert not process.running
    assert tail(log) == f"out me\nerr\n{tmp_path}"
    assert tail(log, 1) == str(tmp_path)
    assert tail(tmp_path / "nothing") == ""


def test_arguments_arrive_as_they_are(tmp_path: Path) -> None:
    args = ["a b", "", "$HOME", "*", "'", "ü"]
    spawn([sys.executable, "-c", "import sys; print(sys.argv[1:])", *args], stdout=tmp_path / "log").wait(20)
    assert tail(tmp_path / "log") == str(args)


def test_missing_program_is_named_in_the_log(tmp_path: Path) -> None:
    assert spawn([str(tmp_path / "no-such-program")], stdout=tmp_path / "log").wait(20) == 127
    assert "no-such-program" in tail(tmp_path / "log")


def test_stop_terminates_then_kills_and_may_be_repeated(tmp_path: Path) -> None:
    gentle, stubborn = spawn(SLEEPER, stdout=tmp_path / "a"), spawn(STUBBORN, stdout=tmp_path / "b")
    assert is_up(gentle)
    assert is_up(stubborn)
    assert gentle.stop() == -signal.SIGTERM
    assert stubborn.stop(grace=0.2) == -signal.SIGKILL
    assert stubborn.stop() == stubborn.kill() == -signal.SIGKILL
    gentle.freeze()
    gentle.thaw()


def test_wait_has_a_limit(tmp_path: Path) -> None:
    process = spawn(SLEEPER, stdout=tmp_path / "log")
    with pytest.raises(TimeoutError, match=str(process.pid)):
        process.wait(0.05)
    process.kill()


def test_frozen_process_is_stopped_until_it_is_thawed(tmp_path: Path) -> None:
    ticker = "import time\nwhile True: print('up', flush=True); time.sleep(0.01)"
    process = spawn([sys.executable, "-u", "-c", ticker], stdout=tmp_path / "log")
    assert is_up(process)
    process.freeze()
    size = process.log.stat().st_size
    time.sleep(0.2)
    assert process.log.stat().st_size == size
    assert process.running
    process.thaw()
    assert eventually(lambda: process.log.stat().st_size > size)
    process.kill()


def test_a_frozen_process_can_be_stopped(tmp_path: Path) -> None:
    process = spawn(SLEEPER, stdout=tmp_path / "log")
    assert is_up(process)
    process.freeze()
    assert process.stop() == -signal.SIGTERM


def test_kill_also_ends_grandchildren(tmp_path: Path, mark: str) -> None:
    grandchild = ["sh", "-c", "sh -c 'sleep 300; :' $0 & echo up; wait", mark]
    process = spawn(grandchild, stdout=tmp_path / "log")
    assert is_up(process)
    assert eventually(lambda: len(marked(mark)) == 2)
    process.kill()
    assert eventually(lambda: not marked(mark))


def test_stop_all_stops_its_processes_in_parallel(tmp_path: Path) -> None:
    group = [spawn(SLEEPER, stdout=tmp_path / str(n)) for n in range(3)]
    other = spawn(SLEEPER, stdout=tmp_path / "other")
    stop_all(group)
    assert [p.running for p in group] == [False] * 3
    assert other.running
    other.kill()


TOOL = """
import os, sys, time
from pathlib import Path
from cutover_harness.processes import spawn
how, mark, folder = sys.argv[1:]
stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " if how == "stubborn" else ""
python = stubborn + "import time; print('up', flush=True); time.sleep(300)"
children = [spawn([sys.executable, "-c", python, mark], stdout=Path(folder, str(n))) for n in range(3)]
while any("up" not in child.log.read_text() for child in children):
    time.sleep(0.01)
children[1].freeze()
if how == "forked" and os.fork() == 0:
    time.sleep(300)
print("ready", flush=True)
if how == "exception":
    raise RuntimeError("a defect")
if how == "_exit":
    os._exit(0)
time.sleep(0 if how == "exit" else 300)
"""
SIGNALS = {"SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT, "SIGHUP": signal.SIGHUP}


@pytest.mark.parametrize("how", ["exit", "exception", "_exit", *SIGNALS, "SIGKILL", "stubborn", "forked"])
def test_no_child_survives_the_tool(how: str, tmp_path: Path, mark: str) -> None:
    """One child is frozen; "stubborn" children ignore SIGTERM; a fork of the tool lives on and holds nobody back."""
    args = [sys.executable, "-c", TOOL, how, mark, str(tmp_path)]
    tool = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    assert tool.stdout is not None
    assert tool.stdout.readline() == b"ready\n"
    if how not in {"exit", "exception", "_exit"}:
        tool.send_signal(SIGNALS.get(how, signal.SIGKILL))
    tool.wait(20)
    tool.stdout.close()
    survivors = 1 if how == "forked" else 0
    assert eventually(lambda: len(marked(mark)) == survivors)
    assert all(how in psutil.Process(pid).cmdline() for pid in marked(mark)), "the fork itself is what is left"


SPAWNER = """
import sys
from pathlib import Path
from cutover_harness.processes import spawn
mark, folder = sys.argv[1:]
print("ready", flush=True)
for _ in range(10_000):
    spawn(["sh", "-c", "while :; do sleep 60; done", mark], stdout=Path(folder, "log"))
"""


@pytest.mark.parametrize("after_ms", [0, 3, 11, 24, 57, 101])
def test_tool_killed_while_spawning_leaves_nothing(after_ms: int, tmp_path: Path, mark: str) -> None:
    tool = subprocess.Popen([sys.executable, "-c", SPAWNER, mark, str(tmp_path)], stdout=subprocess.PIPE)
    assert tool.stdout is not None
    assert tool.stdout.readline() == b"ready\n"
    time.sleep(after_ms / 1000)
    tool.kill()
    tool.wait()
    tool.stdout.close()
    assert eventually(lambda: not marked(mark))


def test_a_new_reaper_takes_over_from_one_that_was_killed(tmp_path: Path, mark: str) -> None:
    code = """
import sys, os
from pathlib import Path
from cutover_harness import processes
mark, folder = sys.argv[1:]
first = processes.spawn(["sh", "-c", "while :; do sleep 1; done", mark], stdout=Path(folder, "log"))
processes._reaper.kill(); processes._reaper.wait()
second = processes.spawn(["sh", "-c", "while :; do sleep 1; done", mark], stdout=Path(folder, "log"))
print("ready", flush=True)
os.kill(os.getpid(), 9)
"""
    tool = subprocess.Popen([sys.executable, "-c", code, mark, str(tmp_path)], stdout=subprocess.PIPE)
    assert tool.stdout is not None
    assert tool.stdout.readline() == b"ready\n"
    tool.wait(20)
    tool.stdout.close()
    assert eventually(lambda: not marked(mark))


def test_the_terminal_does_not_reach_children_or_reaper(tmp_path: Path) -> None:
    process = spawn(SLEEPER, stdout=tmp_path / "log")
    assert processes._reaper is not None
    assert len({os.getsid(0), os.getsid(process.pid), os.getsid(processes._reaper.pid)}) == 3
    process.kill()


def test_spawn_from_many_threads(tmp_path: Path) -> None:
    codes: list[int] = []
    others = processes.started()  # a testbed of other tests, say

    def one(number: int) -> None:
        codes.append(spawn(["sh", "-c", f"exit {number}"], stdout=tmp_path / str(number)).wait(30))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == list(range(20))
    assert processes.started() == others
