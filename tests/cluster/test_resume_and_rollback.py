"""`resume` and `rollback` on real brokers: refused, shown, done, and believed only when read back."""

from __future__ import annotations

import json
import sys
import threading
import time
import tomllib
from pathlib import Path

import pytest
from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.process import REFUSED
from cutover_harness.plan.scenario import Gates, PathStep
from cutover_harness.procedure.names import StepName
from cutover_harness.processes import Process, spawn
from cutover_harness.testbed import ProcessTestbed

from tests.unit.conductor.run_folder import Cli, command_line, contents
from tests.waiting import wait_until

ROUTE, TOPIC = "rolled", "rolled.back"
PATH = (
    StepName.CREATE_TASK,
    StepName.SYNCHRONISE,
    StepName.STOP_CONSUMERS,
    StepName.STOP_PRODUCERS,
    StepName.DELETE_TASK,
)


class Clients:
    """A producer and a consumer as the shim reports them; they follow each generation immediately if `obey` is set.

    If `silent` is set they do not renew their statuses.
    """

    def __init__(self, run: Path, route: str = ROUTE) -> None:
        self._run, self._name = run, route
        self.obey = self.silent = False
        self._end = threading.Event()
        (run / "status").mkdir()
        self._route = {"producers": "source", "consumers": "source"}
        self._generation = 1
        self._report()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._end.wait(0.05):
            document = tomllib.loads((self._run / "cutover.toml").read_text(encoding="utf-8"))
            if self.obey:
                self._route, self._generation = document["routes"][self._name], document["generation"]
            if not self.silent:
                self._report()

    def _report(self) -> None:
        for role in ("producer", "consumer"):
            place = self._route[f"{role}s"]
            state = {
                "generation": self._generation,
                "desired": place,
                "state": "held" if place == "hold" else place,
            }
            status = {"instance": role, "role": role, "updated": time.time(), "routes": {self._name: state}}
            new = self._run / "status" / f".{role}"
            new.write_text(json.dumps(status), encoding="utf-8")
            new.replace(self._run / "status" / f"{role}.json")


@pytest.fixture
def run(testbed: ProcessTestbed, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    source, target = testbed.source.client_config(), testbed.target.client_config()
    admin = Admin(source)
    if not admin.partitions([TOPIC]):
        admin.create_topics({TOPIC: 1})
        producer = Producer(source)
        producer.produce(TOPIC, b"x")
        producer.flush(20)
        admin.set_committed(f"{ROUTE}-group", {(TOPIC, 0): 0})
    routes = {ROUTE: RouteLocations([TOPIC], [f"{ROUTE}-group"])}
    CutoverFileWriter(folder / "cutover.toml", {"source": source, "target": target}, routes).write()
    ConductorConfig(
        route=ROUTE,
        topics=[TOPIC],
        groups=[f"{ROUTE}-group"],
        clients={"producer": "producer", "consumer": "consumer"},
        steps=[PathStep(step=act, dwell_s=0) for act in PATH],
        gates=Gates(deadline_s=60),
        connect_url=testbed.connect_url,
        cutover_file=folder / "cutover.toml",
        statuses=folder / "status",
        journal=folder / "journal.sqlite",
    ).save(folder / "conductor.json", run=folder)
    return folder


def conductor(folder: Path) -> Process:
    command = [sys.executable, "-P", "-m", "cutover_harness.conductor.process", str(folder / "conductor.json")]
    return spawn(command, stdout=folder / "logs" / "conductor.log")


def test_one_conductor_at_a_time_and_a_way_back_that_is_read_back(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clients = Clients(run)
    with command_line(monkeypatch, capsys) as cli:
        try:
            one_at_a_time(run, cli)
            the_way_back(run, cli, clients)
        finally:
            clients.close()
        for command in (("resume", str(run)), ("rollback", str(run), "--yes")):
            code, out, err = cli(*command)
            assert (code, out) == (2, "")
            assert "the run is finished (back on the source): stage 0, nothing is moved; producers on source" in err


def one_at_a_time(run: Path, cli: Cli) -> None:
    running = conductor(run)
    # It waits at stop-consumers for the consumer to attest.
    wait_until(lambda: "generation = 2" in (run / "cutover.toml").read_text(encoding="utf-8"))
    code, out, err = cli("rollback", str(run), "--yes")
    assert (code, out) == (2, "")
    assert f"a conductor is running it, process {running.pid} on" in err
    assert f"stop it first: kill {running.pid}" in err
    other = conductor(run)
    assert other.wait(60) == REFUSED, "nor does a second process get in"
    assert running.running
    running.kill()


def the_way_back(run: Path, cli: Cli, clients: Clients) -> None:
    before = contents_but_statuses(run)
    for options, expected in (((), 2), (("--dry-run",), 0)):  # nobody is there to confirm it
        code, out, err = cli("rollback", str(run), *options)
        assert code == expected, err
        assert "consumption is paused until consumers are back on the source" in out
        assert 'cutover file: generation = 3, routes.rolled: producers = "source", consumers = "source"' in out
    assert contents_but_statuses(run) == before
    clients.silent = True
    code, _, err = cli("rollback", str(run), "--yes")
    assert (code, "no client has renewed its status for 5 s" in err) == (2, True), err
    assert contents_but_statuses(run) == before
    clients.silent = False
    clients.obey = True
    code, out, err = cli("rollback", str(run), "--yes")
    assert code == 0, out + err
    assert "back on the source: stage 0" in out
    assert "read back: Connect has none of the mirror's connectors" in out
    assert "read back: all 1 producers attest source at generation 3" in out


def contents_but_statuses(run: Path) -> dict[str, str]:
    return {name: value for name, value in contents(run).items() if not name.startswith("status")}
