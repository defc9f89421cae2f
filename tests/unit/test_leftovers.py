"""`doctor` names what a tool that was killed has left, and removes what is no evidence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cutover_harness import runs
from cutover_harness.cli import doctor, leftovers
from cutover_harness.cli.leftovers import Leftover
from cutover_harness.conductor.journal import Journal

from tests.unit.conductor.run_folder import made
from tests.waiting import wait_until

TOOL = """
import os, sys, time
from pathlib import Path
from cutover_harness import processes, runs
folder = Path(sys.argv[1])
runs.begin("rehearse", folder)
child = processes.spawn([sys.executable, "-c", "import time; time.sleep(300)"], stdout=folder / "log")
print(child.pid, processes._reaper.pid, flush=True)
if sys.argv[2] == "wait":
    time.sleep(300)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The child of a tool that was killed together with its reaper, and the folder of its run."""
    folder = tmp_path / "out"
    made(folder)
    tool = subprocess.Popen([sys.executable, "-c", TOOL, str(folder), "wait"], stdout=subprocess.PIPE, text=True)
    assert tool.stdout is not None
    child, reaper = map(int, tool.stdout.readline().split())
    os.kill(reaper, signal.SIGKILL)
    tool.kill()
    tool.wait()
    yield child, folder
    if psutil.pid_exists(child):
        os.kill(child, signal.SIGKILL)


def of(pid: int, *, clean: bool) -> list[Leftover]:
    """What is found of one process: other runs of this user may be under way or have left theirs."""
    found = leftovers._abandoned

    def only() -> Iterator[psutil.Process]:
        return (process for process in found() if process.pid == pid)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leftovers, "_abandoned", only)
        return list(leftovers.abandoned_processes(clean=clean))


def test_a_process_whose_tool_and_reaper_were_killed_is_named_and_ended(killed: tuple[int, Path]) -> None:
    pid, _ = killed
    (left,) = of(pid, clean=False)
    assert f"process {pid} (python" in str(left)
    assert str(left).endswith(f": kill {pid}")
    assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE, "looking ends nothing"
    (removed,) = of(pid, clean=True)
    assert removed.removed
    wait_until(lambda: not of(pid, clean=False))


def test_children_of_a_running_tool_are_no_leftovers(tmp_path: Path) -> None:
    tool = subprocess.Popen([sys.executable, "-c", TOOL, str(tmp_path), "wait"], stdout=subprocess.PIPE, text=True)
    assert tool.stdout is not None
    child = int(tool.stdout.readline().split()[0])
    try:
        assert not of(child, clean=True)
        assert psutil.pid_exists(child)
        assert not [run for run in runs.interrupted() if run.folder == tmp_path]
    finally:
        tool.terminate()
        tool.wait()


def test_the_folder_of_a_run_that_was_killed_is_named_with_its_data(killed: tuple[int, Path]) -> None:
    _, folder = killed
    (folder / "stop-first" / "testbed").mkdir(parents=True)
    (folder / "stop-first" / "testbed" / "log").write_bytes(bytes(3_000_000))
    (left,) = leftovers.interrupted_runs(clean=False)
    assert f"run folder {folder}: rehearse (process " in left.what
    assert left.remedy == (
        "its brokers are gone: rehearse again; its brokers' data (3.0 MB) can be deleted: "
        f"rm -r {folder}/stop-first/testbed"
    )
    assert len(list(leftovers.interrupted_runs(clean=True))) == 1, "what is evidence stays"
    assert folder.is_dir()
    assert not list(leftovers.interrupted_runs(clean=False)), "but it is not reported again"


def test_a_run_that_ends_in_order_leaves_no_record(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", TOOL, str(tmp_path), "end"], check=True, stdout=subprocess.DEVNULL)
    assert not list(runs.records().iterdir())


def test_connectors_that_a_killed_run_left_are_named(killed: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder = killed

    class Stub:
        def __init__(self, url: str, **_options: float) -> None:
            assert url == json.loads((folder / "conductor.json").read_text(encoding="utf-8"))["connect_url"]

        def status(self, name: str) -> object:
            return type("Status", (), {"connector": "RUNNING"}) if name == "cutover-r-source" else None

        def close(self) -> None: ...

    monkeypatch.setattr(leftovers, "Connect", Stub)
    _, left = leftovers.interrupted_runs(clean=False)
    assert str(left) == (
        f"connector cutover-r-source on http://127.0.0.1:1, RUNNING: kafka-cutover rollback {folder} deletes it, once "
        "the route is back"
    )


def test_a_record_that_is_damaged_is_left_out(cache: Path) -> None:
    (cache / "kafka-cutover" / "runs").mkdir(parents=True)
    for number, text in enumerate(("", "[]", "{}", '{"pid": "x", "started": 1, "what": 1, "folder": 2}')):
        (runs.records() / f"{number}.json").write_text(text, encoding="utf-8")
    assert not list(runs.interrupted())


def test_doctor_lists_leftovers_without_a_container_engine(
    killed: tuple[int, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pid, folder = killed
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/engine")
    doctor.doctor(clean=False)
    said = capsys.readouterr().out
    assert f"process {pid} (" in said
    assert f"run folder {folder}: " in said


def test_of_runs_of_one_folder_that_were_killed_the_last_is_listed_with_the_command_that_continues_it(
    tmp_path: Path,
) -> None:
    killed_run = "import os, signal, sys; from pathlib import Path; from cutover_harness import runs\n"
    killed_run += "runs.begin('run', Path(sys.argv[1]), sys.argv[2]); os.kill(os.getpid(), signal.SIGKILL)"
    for folder in ("a", "b", "a"):
        (tmp_path / folder).mkdir(exist_ok=True)
        command = f"kafka-cutover run shop.yaml --batch {folder}"
        subprocess.run([sys.executable, "-c", killed_run, str(tmp_path / folder), command], check=False)
    found = sorted(map(str, leftovers.interrupted_runs(clean=False)))
    assert [line.split(" (process")[0] for line in found] == [f"run folder {tmp_path / each}: run" for each in "ab"]
    assert found[0].endswith("was killed: kafka-cutover run shop.yaml --batch a continues")
    runs.begin("resume", tmp_path / "a")
    (left,) = leftovers.interrupted_runs(clean=False)
    assert f"run folder {tmp_path / 'b'}: " in left.what, "what was continued is not listed any more"


def test_a_fence_that_a_killed_run_left_is_named(killed: tuple[int, Path]) -> None:
    _, folder = killed
    assert not any(left.what.startswith("fence") for left in leftovers.interrupted_runs(clean=False))
    journal = Journal(folder / "journal.sqlite")
    journal.write("fence", 5, "made", denials=[["User:apps", "orders"]])
    journal.close()
    (left,) = (each for each in leftovers.interrupted_runs(clean=False) if each.what.startswith("fence"))
    assert left.what == "fence of r on the source (User:apps may not write to orders)"
    assert left.remedy.endswith("continues, kafka-cutover rollback removes it")
