"""The process testbed: up, broken on purpose, up again, and nothing left of it."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from cutover_harness import testbed as testbeds
from cutover_harness.admin import Admin
from cutover_harness.errors import UsageError
from cutover_harness.testbed import ProcessTestbed, TestbedError

from tests import waiting

eventually = partial(waiting.eventually, seconds=30)


def jvms(workdir: Path) -> list[int]:
    """Process ids of JVMs that work in this folder."""
    running = [p for p in psutil.process_iter(["cmdline", "status"]) if p.info["status"] != psutil.STATUS_ZOMBIE]
    lines = {process.pid: process.info["cmdline"] or [""] for process in running}
    return [pid for pid, line in lines.items() if line[0].endswith("java") and any(str(workdir) in a for a in line)]


def cluster_id(config: dict[str, str]) -> str:
    return str(AdminClient({**config}).list_topics(timeout=10).cluster_id)


def test_serves_as_the_protocol_describes(testbed: ProcessTestbed) -> None:
    bed: testbeds.Testbed = testbed
    assert (bed.kind, bed.target_kind) == ("process", "stand-in")
    assert (bed.source.name, bed.source.version) == ("source", "3.9.2")
    assert (bed.target.name, bed.target.version) == ("target", "3.9.1")
    assert bed.source.client_config()["bootstrap.servers"] == bed.source.bootstrap
    assert cluster_id(bed.source.client_config()) != cluster_id(bed.target.client_config())
    assert httpx.get(f"{bed.connect_url}/").json()["version"] == "3.9.2"
    assert "standing in for AutoMQ" in bed.describe()["target"]
    assert {log.name for log in bed.logs.iterdir()} >= {"source.log", "target.log", "connect.log"}
    assert len(jvms(bed.workdir)) == 3


def test_listens_on_loopback_below_the_ephemeral_range_only(testbed: ProcessTestbed) -> None:
    for pid in jvms(testbed.workdir):
        listening = [c.laddr for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert listening
        assert {address.ip for address in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}
        assert all(address.port < 32768 for address in listening)


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression(testbed: ProcessTestbed, compression: str) -> None:
    """The broker compresses itself if the topic's type differs, which needs the native libraries."""
    config, topic = testbed.source.client_config(), f"compressed-{compression}"
    kind = {"none": "uncompressed"}.get(compression, compression)
    Admin(config).create_topics({topic: 1}, {"compression.type": kind})
    producer = Producer({**config, "compression.type": "none" if compression != "none" else "zstd"})
    producer.produce(topic, b"value" * 100)
    assert producer.flush(20) == 0
    consumer = Consumer({**config, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    message = consumer.poll(20)
    assert message is not None
    assert message.error() is None
    assert message.value() == b"value" * 100
    consumer.close()


@pytest.mark.parametrize("how", ["kill", "freeze", "stop", "restart"])
@pytest.mark.parametrize("node", ["source", "target"])
def test_a_broker_fails_and_comes_back_with_its_data(testbed: ProcessTestbed, node: str, how: str) -> None:
    broker = testbed.source if node == "source" else testbed.target
    config, topic = broker.client_config(), f"kept-{node}-{how}"
    admin = Admin(config)
    admin.create_topics({topic: 1})
    producer = Producer(config)
    producer.produce(topic, b"kept")
    assert producer.flush(20) == 0
    before = broker.pid
    if how == "freeze":
        broker.freeze()
        with pytest.raises(KafkaException):
            AdminClient({**config}).list_topics(timeout=1)
        broker.thaw()
        assert broker.pid == before
    elif how == "restart":
        broker.restart()
    else:
        getattr(broker, how)()
        assert broker.pid is None
        broker.restart()
    assert how == "freeze" or broker.pid != before
    assert admin.end_offsets([topic]) == {(topic, 0): 1}


@pytest.mark.parametrize("how", ["kill", "freeze", "restart"])
def test_the_worker_fails_and_comes_back(testbed: ProcessTestbed, how: str) -> None:
    url = f"{testbed.connect_url}/connectors"
    if how == "freeze":
        testbed.worker.freeze()
        with pytest.raises(httpx.TimeoutException):
            httpx.get(url, timeout=0.5)
        testbed.worker.thaw()
    elif how == "kill":
        testbed.worker.kill()
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
        testbed.worker.restart()
    else:
        testbed.worker.restart()
    assert httpx.get(url, timeout=20).status_code == 200


def test_a_frozen_node_can_be_restarted(testbed: ProcessTestbed) -> None:
    testbed.target.freeze()
    testbed.target.restart()
    assert cluster_id(testbed.target.client_config())


def test_stop_leaves_files_only(tmp_path: Path) -> None:
    """The older source version, exactly-once, and a folder whose name needs quoting in properties and command lines."""
    workdir = tmp_path / "a folder: ü"
    bed = ProcessTestbed(workdir, source_version="3.4.1", exactly_once=True)
    with bed:
        assert len(jvms(workdir)) == 3
        port = int(bed.source.bootstrap.partition(":")[2])
        with pytest.raises(UsageError, match=f"port {port} .* in use"):
            ProcessTestbed(tmp_path / "other", target_port=port).start()
        bed.target.freeze()
        bed.source.kill()
    assert not jvms(workdir)
    bed.stop()
    size = sum(file.stat().st_blocks * 512 for file in workdir.rglob("*"))
    assert size < 10_000_000


def test_a_failure_shows_the_reason_from_the_log(tmp_path: Path) -> None:
    """A data folder that belongs to another node: the broker reports that and ends."""
    data = tmp_path / "source"
    data.mkdir()
    (data / "meta.properties").write_text("version=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\nnode.id=77\n")
    with pytest.raises(TestbedError, match=r"(?s)source broker ended with 1 while it was starting.*source\.log.*77"):
        ProcessTestbed(tmp_path).start()
    assert not jvms(tmp_path)


def test_nothing_survives_a_tool_that_is_killed(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from cutover_harness.testbed import ProcessTestbed
bed = ProcessTestbed(Path(sys.argv[1]))
bed.start()
bed.target.freeze()
print("up", flush=True)
time.sleep(300)
"""
    tool = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert tool.stdout is not None
    assert tool.stdout.readline() == b"up\n"
    assert len(jvms(tmp_path)) == 3
    os.kill(tool.pid, signal.SIGKILL)
    tool.communicate()
    assert eventually(lambda: not jvms(tmp_path))
