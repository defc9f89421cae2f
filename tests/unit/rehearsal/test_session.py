"""A session of several scenarios: what is kept of it if some cannot be rehearsed. No broker: `run_path` is replaced."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from cutover_harness.cli.rehearse_results import code_of
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Judgement, Report, RunFacts, Verdict
from cutover_harness.mirror import MirrorError
from cutover_harness.plan.load import find
from cutover_harness.rehearsal import session
from cutover_harness.rehearsal.folder import Decision
from cutover_harness.rehearsal.run import Rehearsal
from cutover_harness.rehearsal.session import Rehearsed, rehearse_all
from cutover_harness.rehearsal.settings import Settings
from cutover_scenarios import sample_capture

from tests.waiting import wait_until

NAMES = ("stop-first", "rollback-from-1", "rollback-from-2", "producers-first")


class Silent:
    """An audience that records its calls."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.outcomes: dict[str, str] = {}

        self.notes: list[str] = []
        self.lines: list[str] = []

    def notice(self, text: str) -> None:
        self.lines.append(text)

    def begin(self, name: str, number: int, total: int) -> Any:
        self.begun.append(name)
        return SimpleNamespace(note=self.notes.append)

    def ended(self, name: str, outcome: str) -> None:
        self.outcomes[name] = outcome


class World:
    """What happens to the scenarios: an error instead of a testbed, or after it, or a defect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, out: Path) -> None:
        self.out = out
        self.no_testbed: dict[str, int] = {}
        self.starts: Counter[str] = Counter()
        self.defective: dict[str, BaseException] = {}
        self.unjudged: dict[str, BaseException] = {}
        self.unstarted: dict[str, BaseException] = {}
        self.before: dict[str, Callable[[], None]] = {}
        self.broken: set[str] = set()
        self.waits_for: dict[str, threading.Event] = {}
        self.ended: dict[str, threading.Event] = {name: threading.Event() for name in NAMES}
        self.runs: dict[str, int] = {}
        self.audience = Silent()
        monkeypatch.setattr(Rehearsal, "run_path", lambda rehearsal: self._run(rehearsal))  # noqa: PLW0108 - binds
        monkeypatch.setattr(Rehearsal, "finish", lambda rehearsal: self._finish(rehearsal))  # noqa: PLW0108 - binds
        monkeypatch.setattr(session, "write_report", self._report)

    def _run(self, rehearsal: Rehearsal) -> None:
        name = rehearsal.scenario.name
        self.runs[name] = rehearsal.number
        if name in self.waits_for:
            assert self.waits_for[name].wait(10)
        if name in self.before:
            self.before[name]()
        self.starts[name] += 1
        (rehearsal.folder / "logs").mkdir(parents=True, exist_ok=True)
        if self.starts[name] <= self.no_testbed.get(name, 0):
            raise UsageError("no testbed")
        if name in self.unstarted:
            raise self.unstarted[name]
        rehearsal.environment = {"source": "Apache Kafka"}
        if name in self.broken:
            raise UsageError("the environment broke")
        if name in self.defective:
            raise self.defective[name]

    def _report(self, out: Path) -> Decision:
        (out / "report.html").touch()
        return Decision("GO", "fine")

    def _finish(self, rehearsal: Rehearsal) -> Report:
        name = rehearsal.scenario.name
        rehearsal.folder.mkdir(parents=True, exist_ok=True)
        if name in self.unjudged:
            raise self.unjudged[name]
        RunFacts(run=rehearsal.number, scenario=name).save(rehearsal.folder / "run.json")
        self.ended[name].set()
        return Report(verdict=Verdict("PASS"), judgement=Judgement(run=rehearsal.number))

    def rehearse(self, *names: str, jobs: int = 1, seed: int = 7) -> Rehearsed:
        settings = Settings(out=self.out, capture=sample_capture(), command="x", seed=seed, jobs=jobs)
        return rehearse_all([find(name) for name in names], settings, self.audience)

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.out / "rehearsal.json").read_text(encoding="utf-8"))
        return facts


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return World(monkeypatch, tmp_path / "out")


def test_results_are_in_the_order_of_the_scenarios_whatever_ends_first(world: World) -> None:
    world.waits_for = {"stop-first": world.ended["rollback-from-1"]}
    done = world.rehearse("stop-first", "rollback-from-1", jobs=2)
    assert list(done.reports) == world.facts["scenarios"] == ["stop-first", "rollback-from-1"]
    assert world.facts["jobs"] == 2
    assert world.facts["finished"]


@pytest.mark.parametrize(("limited", "together"), [(True, 1), (False, 2)], ids=["with a limit", "without"])
def test_nothing_runs_next_to_a_scenario_that_limits_blackouts(
    world: World, monkeypatch: pytest.MonkeyPatch, limited: bool, together: int
) -> None:
    """Two that have a limit are never run together, and come last; the same two without it are run together."""
    names = ("configmap-with-channel", "stop-first", "rollback-from-1")
    made = [find(name) for name in names]
    limit = 2000.0 if limited else None
    made[:2] = [
        each.model_copy(update={"expect": each.expect.model_copy(update={"max_blackout_ms": limit})})
        for each in made[:2]
    ]
    monkeypatch.setattr(f"{__name__}.find", dict(zip(names, made, strict=True)).__getitem__)
    meeting = threading.Barrier(2)
    most, running = [0], [0]
    lock = threading.Lock()

    def run() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait(0.5 if limited else 60)
        with lock:
            running[0] -= 1

    world.ended |= {name: threading.Event() for name in names}
    world.before = dict.fromkeys(names[:2], run)
    done = world.rehearse(*names, jobs=2)
    assert list(done.reports) == list(names)
    assert most == [together]
    assert (world.audience.begun[0] == "rollback-from-1") == limited


def test_a_seed_gives_a_scenario_the_same_number_whatever_runs_in_parallel(world: World) -> None:
    world.rehearse(*NAMES, jobs=1)
    alone = dict(world.runs)
    world.rehearse(*NAMES, jobs=3)
    assert world.runs == alone
    assert len(set(alone.values())) == len(NAMES)
    world.rehearse(*NAMES, jobs=1, seed=8)
    assert world.runs != alone


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_the_environment_ends_its_scenario_alone(world: World, jobs: int) -> None:
    world.broken = {"rollback-from-1"}
    done = world.rehearse(*NAMES, jobs=jobs)
    assert list(done.reports) == ["stop-first", "rollback-from-2", "producers-first"]
    assert done.not_rehearsed == {"rollback-from-1": "the environment broke"}
    # Listed, so that a report misses it.
    assert world.facts["scenarios"] == list(NAMES)
    assert world.facts["not_rehearsed"] == {"rollback-from-1": "the environment broke"}
    assert world.audience.outcomes["rollback-from-1"] == "not rehearsed: the environment broke"
    assert world.starts["rollback-from-1"] == 1  # its testbed was there
    assert (world.out / "report.html").exists()
    assert code_of(done) == 3


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_testbed_that_does_not_start_is_started_again(world: World, jobs: int) -> None:
    world.no_testbed = {"stop-first": 1}
    done = world.rehearse(*NAMES, jobs=jobs)
    assert list(done.reports) == list(NAMES)
    assert world.audience.notes == ["the testbed did not start, it is started again: no testbed"]
    assert (world.out / "stop-first" / "failed_start" / "logs").is_dir()
    assert code_of(done) == 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_first_testbed_that_never_starts_does_not_keep_the_others_from_being_tried(world: World, jobs: int) -> None:
    world.no_testbed = {"stop-first": 2}
    done = world.rehearse(*NAMES, jobs=jobs)
    assert list(done.reports) == list(NAMES[1:])
    assert done.not_rehearsed == {"stop-first": "no testbed"}
    assert code_of(done) == 3


def test_if_no_testbed_comes_up_the_rest_is_not_tried_and_is_listed(world: World) -> None:
    world.no_testbed = dict.fromkeys(NAMES, 9)
    done = world.rehearse(*NAMES)
    assert world.starts == dict.fromkeys(NAMES[:3], 2)
    reasons = dict.fromkeys(NAMES[:3], "no testbed") | {
        NAMES[3]: f"not tried, as the testbeds of {', '.join(NAMES[:3])} did not start"
    }
    assert done.not_rehearsed == world.facts["not_rehearsed"] == reasons
    assert world.facts["scenarios"] == list(NAMES)
    assert (world.out / "report.html").exists()
    assert code_of(done) == 2, "nothing could be rehearsed here"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_defect_ends_its_scenario_alone_and_is_kept(world: World, jobs: int) -> None:
    world.defective = {"rollback-from-1": ZeroDivisionError("by zero")}
    world.unjudged = {"rollback-from-2": MemoryError()}
    done = world.rehearse(*NAMES, jobs=jobs)
    assert list(done.reports) == ["stop-first", "producers-first"]
    assert done.not_rehearsed["rollback-from-1"].startswith("ZeroDivisionError: by zero (a defect; ")
    assert done.not_rehearsed["rollback-from-2"].startswith("run, but not judged: MemoryError")
    assert "Traceback" in (world.out / "rollback-from-1" / "error.txt").read_text(encoding="utf-8")
    assert world.facts["finished"]
    assert code_of(done) == 3


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("how", "said"),
    [(KeyboardInterrupt(), "was interrupted"), (SystemExit(1), "ended early: SystemExit: 1")],
)
def test_however_the_tool_ends_every_scenario_has_a_reason(
    world: World, jobs: int, how: BaseException, said: str
) -> None:
    world.defective = {"rollback-from-1": how}
    done = world.rehearse(*NAMES, jobs=jobs)
    assert done.stopped is not None
    assert {**done.reports, **done.not_rehearsed}.keys() == set(NAMES)
    assert done.not_rehearsed["rollback-from-1"] == f"the rehearsal {said} while it ran"
    assert all(why.startswith(f"the rehearsal {said} ") for why in done.not_rehearsed.values())
    assert world.facts["scenarios"] == list(NAMES)
    assert world.facts["not_rehearsed"] == done.not_rehearsed
    assert world.facts["finished"] is None
    assert (world.out / "report.html").exists()


def test_an_interruption_is_one_although_its_clean_up_complains(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(rehearsal: Rehearsal) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise UsageError("producer-1 ended with -15")

    monkeypatch.setattr(Rehearsal, "run_path", interrupted)
    assert isinstance(world.rehearse(*NAMES).stopped, KeyboardInterrupt)
    assert set(world.facts["not_rehearsed"]) == set(NAMES)


def test_an_earlier_run_is_announced(world: World) -> None:
    world.rehearse(*NAMES)
    assert world.audience.lines == []
    world.rehearse(*NAMES)
    assert "is kept in" in world.audience.lines[0]


def test_a_no_of_the_report_is_no_success(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "write_report", lambda out: Decision("NO-GO", f"{out}"))
    assert code_of(world.rehearse(*NAMES)) == 1


def test_a_report_that_cannot_be_written_costs_no_result(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(out: Path) -> Decision:
        raise UsageError(f"{out}: policy.toml: not valid TOML")

    monkeypatch.setattr(session, "write_report", fails)
    done = world.rehearse(*NAMES)
    assert list(done.reports) == list(NAMES)
    assert done.decision is None
    assert "policy.toml" in str(done.report_error)


REFUSALS = [
    (KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN, "all brokers\nare down")), "all brokers are down"),
    (OSError(errno.ENOSPC, "No space left on device", "/out/x"), "/out/x: No space left on device"),
    (shutil.Error([("a", "b", "No space left on device")]), "No space left on device"),
    (MirrorError("Connect did not answer"), "Connect did not answer"),
]


@pytest.mark.parametrize(("error", "reason"), REFUSALS, ids=["cluster", "disk", "copying", "mirror"])
@pytest.mark.parametrize("stage", ["start", "run", "judge"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_refusal_ends_its_scenario_alone_in_one_line(
    world: World, stage: str, jobs: int, error: Exception, reason: str
) -> None:
    where = {"start": world.unstarted, "run": world.defective, "judge": world.unjudged}[stage]
    where["rollback-from-1"] = error
    done = world.rehearse(*NAMES, jobs=jobs)
    why = done.not_rehearsed["rollback-from-1"]
    assert reason in why
    assert "\n" not in why
    assert "defect" not in why
    assert list(done.reports) == [name for name in NAMES if name != "rollback-from-1"]
    assert world.facts["not_rehearsed"] == {"rollback-from-1": why}
    assert world.facts["finished"]
    assert not (world.out / "rollback-from-1" / "error.txt").exists()
    assert code_of(done) == 3


def test_a_testbed_whose_leftovers_cannot_be_moved_is_started_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(session, "_set_aside", full)
    world.unstarted["rollback-from-1"] = UsageError("no testbed")
    done = world.rehearse(*NAMES)
    assert done.not_rehearsed == {"rollback-from-1": "no testbed"}


class SmallDisk:
    """A file system of half a megabyte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Write until nothing more fits."""
        with (self.folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def empty(self) -> None:
        (self.folder / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow to mount a small file system")
    yield SmallDisk(folder)
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - as `mount` above


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch, disk: SmallDisk) -> World:
    return World(monkeypatch, disk.folder / "out")


def test_an_output_disk_that_is_full_ends_the_rehearsal_in_one_line(on_disk: World, disk: SmallDisk) -> None:
    def fill_once_the_first_is_judged() -> None:
        wait_until(lambda: "stop-first" in on_disk.audience.outcomes, 30)
        disk.fill()

    on_disk.before["rollback-from-1"] = fill_once_the_first_is_judged
    done = on_disk.rehearse(*NAMES)
    assert isinstance(done.stopped, UsageError)
    assert str(done.stopped) == f"{on_disk.out / 'rehearsal.json'}: cannot be written: No space left on device"
    assert list(done.reports) == ["stop-first"]
    assert {*done.not_rehearsed} == {*NAMES} - {"stop-first"}
    assert all("\n" not in why for why in done.not_rehearsed.values())
    # What was written before is whole.
    assert set(on_disk.facts["scenarios"]) == set(NAMES)


def test_a_disk_with_space_ends_nothing(on_disk: World, disk: SmallDisk) -> None:
    def fill_and_empty() -> None:
        disk.fill()
        disk.empty()

    on_disk.before[NAMES[0]] = fill_and_empty  # nothing else is written until the first one has ended
    done = on_disk.rehearse(*NAMES)
    assert done.stopped is None
    assert list(done.reports) == list(NAMES)


def test_a_command_on_a_full_disk_ends_with_one_line(disk: SmallDisk) -> None:
    disk.fill()
    program = "import sys; from cutover_harness.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "rehearse", "--all", "--out", str(disk.folder / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert "No space left on device" in line
