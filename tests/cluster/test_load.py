"""Replay as a Locust load: in one process, in several, through a switchover, and with its own locustfile."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.admin import Admin
from cutover_harness.capture import CaptureReader
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.statuses import FolderStatuses, read_statuses
from cutover_harness.load.settings import VARIABLE, LoadSettings
from cutover_harness.mirror import Batch, Mirror
from cutover_harness.procedure.client_status import missing
from cutover_harness.replay.config import ReplayOptions
from cutover_harness.testbed import ProcessTestbed
from cutover_harness.types import Location
from cutover_scenarios import sample_capture

from tests.cluster.traffic import mirror_spec
from tests.waiting import wait_until

RECORDS = 12_658
SECONDS = float(os.environ.get("CUTOVER_LOAD_SECONDS", "6"))
"""How long the load with a switchover in its middle lasts, in addition to the switchover itself."""
PRODUCERS = ["load-producer-1", "load-producer-2"]
CLI = [sys.executable, "-c", "from cutover_harness.cli import main; main()"]


@pytest.fixture
def name() -> str:
    return f"ld-{uuid.uuid4().hex[:8]}"


def create(testbed: ProcessTestbed, name: str) -> list[str]:
    with CaptureReader(sample_capture()) as reader:
        topics = {f"{name}.{topic}": info.partitions for topic, info in reader.info.topics.items()}
    Admin(testbed.source.client_config()).create_topics(topics)
    return list(topics)


@contextmanager
def started(arguments: list[str], folder: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command, and end it and its workers whatever happens."""
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            arguments, stdout=log, stderr=log, text=True, start_new_session=True, env={**os.environ, **variables}
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()


def finished(process: subprocess.Popen[str], folder: Path, code: int) -> dict[str, Any]:
    """Wait for the end and return the report."""
    found = process.wait(timeout=150)
    text = (folder / "log").read_text(encoding="utf-8")
    assert found == code, text[-3000:]
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return report


def attested(status: Path, instances: list[str], place: Location, generation: int) -> None:
    def left() -> object:
        return missing(read_statuses(FolderStatuses(status), "all"), instances, place, generation)

    wait_until(lambda: not left(), 60, backoff_s=0.2, state=left)


def test_once_through_the_capture(testbed: ProcessTestbed, tmp_path: Path, name: str) -> None:
    create(testbed, name)
    arguments = [
        "load",
        "--bootstrap",
        testbed.source.bootstrap,
        "--topic-prefix",
        f"{name}.",
        "--speed",
        "max",
        "--once",
    ]
    arguments += ["--group", f"{name}-billing:2", "--group", f"{name}-audit", "--report", str(tmp_path / "report.json")]
    arguments += ["--html", str(tmp_path / "report.html"), "--csv", str(tmp_path / "figures")]
    with started([*CLI, *arguments], tmp_path) as process:
        report = finished(process, tmp_path, 0)
    assert (report["outcome"], report["sent"], report["acked"]) == ("PASS", RECORDS, RECORDS)
    for group in report["groups"]:
        assert (group["delivered"], group["lost"], group["phantom"], group["reordered"]) == (RECORDS, 0, 0, 0)
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert "PRODUCE" in (tmp_path / "figures_stats.csv").read_text(encoding="utf-8")


def test_a_switchover_under_a_load_of_two_workers(testbed: ProcessTestbed, tmp_path: Path, name: str) -> None:
    topics = create(testbed, name)
    group, status = f"{name}-billing", tmp_path / "status"
    status.mkdir()
    source, target = testbed.source.client_config(), testbed.target.client_config()
    pointer = CutoverFileWriter(
        tmp_path / "cutover.toml", {"source": source, "target": target}, {"all": RouteLocations(topics, [group])}
    )
    pointer.write()
    consumers = [f"load-{group}-1", f"load-{group}-2"]
    arguments = ["load", "--cutover-file", str(pointer.path), "--status", str(status), "--topic-prefix", f"{name}."]
    arguments += ["--group", f"{group}:2", "--speed", "60000", "--run-time", "1h", "--processes", "2"]
    arguments += ["--report", str(tmp_path / "report.json")]
    mirror = Mirror(mirror_spec(testbed, Batch(name, tuple(topics), (group,))))
    try:
        with started([*CLI, *arguments], tmp_path) as process:
            attested(status, PRODUCERS + consumers, "source", pointer.generation)
            mirror.create()
            wait_until(lambda: not mirror.running(), 60, backoff_s=0.2, state=mirror.running)
            time.sleep(SECONDS / 2)
            attested(status, consumers, "hold", pointer.point("all", consumers="hold"))
            time.sleep(3)  # offsets that MM2 has not translated by now are read again: duplicates, and no loss
            attested(status, consumers, "target", pointer.point("all", consumers="target"))
            attested(status, PRODUCERS, "hold", pointer.point("all", producers="hold"))
            wait_until(lambda: mirror.drained()[0], 60, backoff_s=0.2, state=mirror.drained)
            attested(status, PRODUCERS, "target", pointer.point("all", producers="target"))
            time.sleep(SECONDS / 2)
            assert process.poll() is None, "the switchover is to happen under the load"
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            report = finished(process, tmp_path, 0)
    finally:
        mirror.delete()
    assert report["outcome"] == "PASS"
    assert report["acked"] == report["sent"]
    assert [(g["lost"], g["phantom"], g["reordered"]) for g in report["groups"]] == [(0, 0, 0)]
    assert sum(Admin(target).end_offsets(topics).values()) > 0


def test_a_loss_is_found(testbed: ProcessTestbed, tmp_path: Path, name: str) -> None:
    """Catch a loss, as negative control: consumers are on a target that nothing is mirrored to."""
    topics = create(testbed, name)
    group = f"{name}-billing"
    clusters = {"source": testbed.source.client_config(), "target": testbed.target.client_config()}
    with CaptureReader(sample_capture()) as reader:
        partitions = {f"{name}.{topic}": info.partitions for topic, info in reader.info.topics.items()}
    Admin(clusters["target"]).create_topics(partitions)
    pointer = CutoverFileWriter(
        tmp_path / "cutover.toml", clusters, {"all": RouteLocations(topics, [group], consumers="target")}
    )
    pointer.write()
    arguments = ["load", "--cutover-file", str(pointer.path), "--topic-prefix", f"{name}.", "--group", group, "--once"]
    arguments += ["--speed", "max", "--drain", "3s", "--report", str(tmp_path / "report.json")]
    with started([*CLI, *arguments], tmp_path) as process:
        report = finished(process, tmp_path, 1)
    assert report["outcome"] == "FAIL"
    assert report["groups"][0]["lost"] == RECORDS
    assert report["groups"][0]["examples"]


def test_a_locustfile_of_ones_own_imports_the_users(testbed: ProcessTestbed, tmp_path: Path, name: str) -> None:
    topics = create(testbed, name)
    with CaptureReader(sample_capture()) as reader:
        mapped = {topic: f"{name}.{topic}" for topic in reader.info.topics}
    LoadSettings(
        replay=ReplayOptions(capture=sample_capture(), topics=mapped, speed=None),
        groups={f"{name}-own": 1},
        topics=topics,
        endpoint=dict(testbed.source.client_config()),
        report=tmp_path / "report.json",
    ).save(tmp_path / "settings.json")
    (tmp_path / "mine.py").write_text(
        "from locust import User, constant, task\n"
        "from cutover_harness.load.users import ConsumerUser, ProducerUser\n"
        "class Mine(User):\n"
        "    wait_time = constant(0.1)\n"
        "    @task\n"
        "    def work(self):\n"
        "        fire = self.environment.events.request.fire\n"
        "        fire(request_type='MINE', name='mine', response_time=1, response_length=0, exception=None,\n"
        "             context={})\n",
        encoding="utf-8",
    )
    locust = [sys.executable, "-m", "locust", "-f", str(tmp_path / "mine.py"), "--headless", "--only-summary"]
    options = ["--users", "3", "--spawn-rate", "3", "--stop-timeout", "60"]
    with started([*locust, *options], tmp_path, **{VARIABLE: str(tmp_path / "settings.json")}) as process:
        report = finished(process, tmp_path, 0)
    assert (report["outcome"], report["acked"]) == ("PASS", RECORDS)
    assert "MINE" in (tmp_path / "log").read_text(encoding="utf-8")


class Proxy:
    """Passes connections on to a port of this machine, and keeps what went through in either direction."""

    def __init__(self, port: int) -> None:
        self.seen = bytearray()
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:  # the master is not there yet
                near.close()
                continue
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self.seen += data
                sink.sendall(data)


@pytest.mark.parametrize("secret", [False, True], ids=["plain", "secret"])
def test_a_worker_gets_no_credentials_over_the_wire(
    testbed: ProcessTestbed, tmp_path: Path, name: str, secret: bool
) -> None:
    create(testbed, name)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = Proxy(port)
    properties = tmp_path / "cluster.properties"
    properties.write_text(
        f"bootstrap.servers={testbed.source.bootstrap}\nclient.rack=hunter2-of-the-cluster\n", encoding="utf-8"
    )
    common = ["--cluster", str(properties), "--client", "client.rack=hunter3-of-the-cluster"]
    if secret:
        (tmp_path / "secret").write_text("0123456789abcdef" * 2, encoding="utf-8")
        common += ["--secret", str(tmp_path / "secret")]
    arguments = ["load", *common, "--topic-prefix", f"{name}.", "--group", name, "--speed", "max", "--once"]
    arguments += ["--master", "--master-bind-port", str(port), "--expect-workers", "1"]
    arguments += ["--report", str(tmp_path / "report.json")]
    (tmp_path / "worker").mkdir()
    worker = ["load", "--worker", *common, "--master-host", "127.0.0.1", "--master-port", str(proxy.port)]
    with (
        started([*CLI, *arguments], tmp_path) as process,
        started([*CLI, *worker], tmp_path / "worker"),
    ):
        report = finished(process, tmp_path, 0)
    assert (report["outcome"], report["acked"]) == ("PASS", RECORDS)
    for text in (b"hunter2", b"hunter3"):
        assert text not in proxy.seen
    assert (name.encode() in proxy.seen) != secret, "as negative control: what is sent can be found, unless encrypted"


def test_a_missing_topic_is_said_before_anything_runs(testbed: ProcessTestbed, tmp_path: Path, name: str) -> None:
    clusters = {"source": testbed.source.client_config(), "target": testbed.target.client_config()}
    pointer = CutoverFileWriter(tmp_path / "cutover.toml", clusters, {"all": RouteLocations([f"{name}*"], [])})
    pointer.write()
    for where in (["--bootstrap", testbed.source.bootstrap], ["--cutover-file", str(pointer.path)]):
        arguments = ["load", *where, "--topic-prefix", f"{name}.", "--run-time", "5s"]
        done = subprocess.run([*CLI, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr[-2000:]
        assert f"has no topic {name}.flights.arrived, " in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_worker_without_settings_and_bad_options_say_so(tmp_path: Path) -> None:
    for arguments, says in (
        (["load", "--bootstrap", "h:1"], "no duration"),
        (["load", "--once"], "give one of --cutover-file"),
        (["load", "--worker"], "to each worker as well"),
        (["load", "--worker", "--master-host", "192.0.2.1", "--bootstrap", "h:1"], "--secret FILE"),
        (["load", "--bootstrap", "h:1", "--once", "--master", "--master-bind-host", "*"], "--secret FILE"),
        (["load", "--bootstrap", "h:1", "--once", "--report", str(tmp_path)], "is a folder"),
        (["load", "--bootstrap", "h:1", "--capture", "/no/such"], "no such file"),
    ):
        done = subprocess.run([*CLI, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert says in done.stderr
        assert done.stderr.count("\n") == 1
