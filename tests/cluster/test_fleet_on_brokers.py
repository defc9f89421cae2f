"""`kafka-cutover fleet` and a conductor over statuses on a topic, which real processes of the shim write."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.admin import Admin
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.status_topic import TopicStatuses
from cutover_harness.conductor.statuses import read_statuses
from cutover_harness.plan.scenario import Gates, PathStep
from cutover_harness.procedure.client_status import StatusWatch
from cutover_harness.procedure.names import StepName
from cutover_harness.processes import spawn
from cutover_harness.testbed import ProcessTestbed

from tests.unit.conductor.run_folder import Cli, command_line
from tests.waiting import wait_until

APP = """
import signal, sys, time
from cutover_shim import Consumer, Producer
role, instance, topic, group = sys.argv[1:]
ending = []
signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
conf = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0, "cutover.instance": instance, "cutover.app": "shop"}
if role == "producer":
    producer = Producer({**conf, "client.id": "shop-1"})
    while not ending:
        producer.produce(topic, b"x", on_delivery=lambda error, message: None)
        producer.poll(0.02)
    sys.exit(0)
consumer = Consumer({**conf, "group.id": group, "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
while not ending:
    consumer.poll(0.1)
"""
_number = count(1)


class Shop:
    """Processes of the shim on a route of their own, and the cutover file that they follow."""

    def __init__(self, bed: ProcessTestbed, folder: Path) -> None:
        self.name = f"shop-{os.getpid()}-{next(_number)}"
        self.group, self.statuses = f"{self.name}-group", f"{self.name}-statuses"
        self.folder = folder
        self.source, target = bed.source.client_config(), bed.target.client_config()
        admin = Admin(self.source)
        admin.create_topics({self.name: 2})
        admin.create_topics({self.statuses: 3}, {"cleanup.policy": "compact"})
        Admin(target).create_topics({self.name: 2})
        routes = {self.name: RouteLocations([self.name], [self.group])}
        self.file = CutoverFileWriter(folder / "cutover.toml", {"source": self.source, "target": target}, routes)
        self.file.write()
        (folder / "app.py").write_text(APP, encoding="utf-8")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def place(self) -> str:
        return f"kafka:{self.statuses}"

    def start(self, role: str, instance: str) -> None:
        self.processes[instance] = subprocess.Popen(
            [sys.executable, str(self.folder / "app.py"), role, instance, self.name, self.group],
            env={**os.environ, "CUTOVER_FILE": str(self.folder / "cutover.toml"), "CUTOVER_STATUS": self.place},
        )

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def shop(testbed: ProcessTestbed, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(testbed, tmp_path)
    for role, instance in (("producer", "p0"), ("producer", "p1"), ("consumer", "c0")):
        made.start(role, instance)
    yield made
    made.close()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    with command_line(monkeypatch, capsys) as call:
        yield call


Fleet = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def fleet(shop: Shop, cli: Cli) -> Fleet:
    def call(*options: str) -> tuple[int, dict[str, Any]]:
        place = "--cutover-file", str(shop.folder / "cutover.toml")
        code, out, err = cli("fleet", shop.place, *place, "--json", *options)
        return code, json.loads(out) if out else {"error": err}

    return call


def standings(found: dict[str, Any]) -> dict[str, str]:
    return {row["client"]: row["standing"] for row in found["clients"]}


def attested(fleet: Fleet, generation: int) -> dict[str, Any]:
    """Wait until all three clients attest the generation."""

    def look() -> dict[str, Any] | None:
        code, found = fleet("--expect", "3")
        return found if (code, found.get("generation")) == (0, generation) else None

    found = wait_until(look, state=lambda: fleet("--expect", "3"))
    assert found is not None
    return found


def test_a_fleet_is_switched_and_its_clients_die_freeze_refuse_and_end(shop: Shop, fleet: Fleet, cli: Cli) -> None:
    first = attested(fleet, 1)
    assert {row["blackout"] for row in first["clients"]} == {None}
    wait_until(lambda: all(row["last_at"] for row in fleet()[1]["clients"]))  # all have traffic
    attested(fleet, shop.file.point(shop.name, producers="hold", consumers="hold"))
    attested(fleet, shop.file.point(shop.name, producers="target", consumers="target"))
    wait_until(lambda: all(row["blackout"]["seconds"] for row in fleet()[1]["clients"]))
    switched = fleet()[1]
    for row in switched["clients"]:
        assert (row["cluster"], row["app"], row["blackout"]["generation"]) == ("target", "shop", shop.file.generation)
        assert row["blackout"]["last_at"] <= row["blackout"]["left_at"] <= row["blackout"]["first_at"]
    assert {row["client_id"] for row in switched["clients"] if row["role"] == "producer"} == {"shop-1"}
    kills_and_freezes(shop, fleet)
    refuses(shop, fleet)
    ends(shop, fleet, cli)


def kills_and_freezes(shop: Shop, fleet: Fleet) -> None:
    shop.processes["p1"].kill()
    shop.processes["c0"].send_signal(signal.SIGSTOP)
    wait_until(lambda: standings(fleet()[1]) == {"p1": "silent", "c0": "silent", "p0": "attests"})
    assert fleet()[0] == 1
    shop.processes["c0"].send_signal(signal.SIGCONT)
    wait_until(lambda: standings(fleet()[1]) == {"p1": "silent", "c0": "attests", "p0": "attests"})
    shop.processes["p1"].wait()
    shop.start("producer", "p1")  # with the same name: it replaces the status of the one that died
    attested(fleet, shop.file.generation)


def refuses(shop: Shop, fleet: Fleet) -> None:
    path = shop.folder / "cutover.toml"
    good = path.read_text(encoding="utf-8")
    forged = path.with_suffix(".new")
    forged.write_text(good.replace(shop.group, "another-group"), encoding="utf-8")
    forged.replace(path)
    wait_until(lambda: standings(fleet()[1]) == dict.fromkeys(("p0", "p1", "c0"), "refuses"))
    code, found = fleet()
    assert code == 1
    assert "with other content" in found["clients"][0]["why"]
    forged.write_text(good, encoding="utf-8")
    forged.replace(path)
    attested(fleet, shop.file.generation)


def ends(shop: Shop, fleet: Fleet, cli: Cli) -> None:
    shop.processes["p0"].terminate()
    assert shop.processes["p0"].wait(60) == 0
    wait_until(lambda: standings(fleet()[1]) == {"p0": "ended", "p1": "attests", "c0": "attests"})
    code, found = fleet("--expect", "p0,p1")
    assert (code, found["clients"][0]["why"]) == (1, "has ended (exited)")
    code, found = fleet("--route", "another")
    assert code == 2
    assert "no route 'another' in the statuses; there are: " in found["error"]
    properties = shop.folder / "source.properties"
    properties.write_text("".join(f"{name}={value}\n" for name, value in shop.source.items()), encoding="utf-8")
    code, out, err = cli("fleet", shop.place, "--cluster", str(properties))
    assert (code, err) == (0, "")
    assert f"{shop.place}: generation {shop.file.generation}: 2 of 2 attest; 1 ended" in out


def test_while_the_broker_hangs_no_client_seems_to_be_fresh(testbed: ProcessTestbed, shop: Shop) -> None:
    source, watch = TopicStatuses(shop.statuses, shop.source), StatusWatch()

    def renewing() -> set[str]:
        statuses = read_statuses(source, shop.name)
        watch.look(statuses)
        return {name for name in statuses if watch.renews(name)}

    try:
        wait_until(lambda: renewing() == {"p0", "p1", "c0"})
        testbed.source.freeze()
        try:
            wait_until(lambda: not renewing())
            assert source.problem is not None
            assert set(read_statuses(source, shop.name)) == {"p0", "p1", "c0"}
        finally:
            testbed.source.thaw()
        wait_until(lambda: renewing() == {"p0", "p1", "c0"})
        assert source.problem is None
    finally:
        source.close()


def test_a_conductor_moves_clients_that_report_on_a_topic(
    testbed: ProcessTestbed, shop: Shop, fleet: Fleet, cli: Cli
) -> None:
    attested(fleet, 1)
    run = shop.folder / "run"
    path = (StepName.CREATE_TASK, StepName.SYNCHRONISE, StepName.STOP_CONSUMERS)
    ConductorConfig(
        route=shop.name,
        topics=[shop.name],
        groups=[shop.group],
        clients={"p0": "producer", "p1": "producer", "c0": "consumer"},
        steps=[PathStep(step=step, dwell_s=0) for step in path],
        gates=Gates(deadline_s=90),
        connect_url=testbed.connect_url,
        cutover_file=shop.folder / "cutover.toml",
        statuses=shop.place,
        journal=run / "journal.sqlite",
    ).save(run / "conductor.json", run=run)
    command = [sys.executable, "-P", "-m", "cutover_harness.conductor.process", str(run / "conductor.json")]
    conductor = spawn(command, stdout=run / "logs" / "conductor.log")
    assert conductor.wait(180) == 0, (run / "logs" / "conductor.log").read_text()
    assert "kafka:" in (run / "conductor.json").read_text()
    found = attested(fleet, 2)
    assert {row["client"]: row["state"] for row in found["clients"]} == {"p0": "source", "p1": "source", "c0": "held"}
    code, out, err = cli("rollback", str(run), "--yes")
    assert code == 0, out + err
    assert "read back: all 2 producers attest source at generation 3" in out
    assert "read back: all 1 consumers attest source at generation 3" in out
