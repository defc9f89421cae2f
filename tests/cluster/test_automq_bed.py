"""The AutoMQ testbed with Kafka's jars in AutoMQ's layout: everything but AutoMQ's own code is what users run.

With CUTOVER_TEST_AUTOMQ_HOME the same tests run AutoMQ itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import pytest
from confluent_kafka import Consumer, Producer
from cutover_harness import testbed as testbeds
from cutover_harness.admin import Admin
from cutover_harness.errors import UsageError
from cutover_harness.testbed.automq import AutomqOptions, AutomqTestbed
from cutover_harness.testbed.automq.distribution import Distribution, read_distribution

from tests.cluster.automq_layout import AUTOMQ_HOME, kafka_in_automq_layout
from tests.embedded_store import started_store

PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    real = os.environ.get(AUTOMQ_HOME)
    return Path(real) if real else kafka_in_automq_layout(tmp_path_factory.mktemp("distribution"))


@pytest.fixture(scope="module")
def distribution(home: Path) -> Distribution:
    found = read_distribution(home)
    assert found.automq == (AUTOMQ_HOME in os.environ), "Apache Kafka it is, whatever the folder is called"
    return found


def processes_of(folder: Path) -> list[str]:
    running = [p for p in psutil.process_iter(["cmdline", "cwd", "status"]) if p.info["status"] != psutil.STATUS_ZOMBIE]
    return [" ".join(p.info["cmdline"] or ()) for p in running if p.info["cwd"] == str(folder)]


@pytest.fixture
def bed(home: Path, tmp_path: Path) -> Iterator[AutomqTestbed]:
    with AutomqTestbed(tmp_path / "bed", AutomqOptions(home)) as bed:
        yield bed
    assert processes_of(bed.workdir) == []


def test_a_broker_from_a_distribution_starts_fails_and_starts_again(
    bed: AutomqTestbed, distribution: Distribution
) -> None:
    protocol: testbeds.Testbed = bed
    is_a = ("AutoMQ", distribution.version) if distribution.automq else ("stand-in", "3.9.1")
    assert (protocol.kind, protocol.target_kind, bed.target.version) == ("automq", *is_a)
    assert distribution.title in bed.describe()["target"]
    assert bed.describe()["s3"] == "embedded, objects in memory"
    assert len(processes_of(bed.workdir)) == 4  # three JVMs and the store

    pid = bed.target.pid
    assert pid is not None
    environment, line = psutil.Process(pid).environ(), psutil.Process(pid).cmdline()
    key, secret = environment["KAFKA_S3_ACCESS_KEY"], environment["KAFKA_S3_SECRET_KEY"]
    assert not [argument for argument in line if key in argument or secret in argument]
    # The last of two options counts.
    assert [a for a in line if a.startswith("-Xmx")][-1] == "-Xmx1g"
    assert str(bed.target.bootstrap).rpartition(":")[2] in (bed.workdir / "target.properties").read_text()
    written = [file for file in bed.workdir.rglob("*") if file.is_file() and file.stat().st_size < 1 << 20]
    assert not [file for file in written if secret.encode() in file.read_bytes()]

    settings = (bed.workdir / "target.properties").read_text().replace("\\", "")
    endpoint = settings.partition("s3.data.buckets=")[2].partition("endpoint=")[2].partition("&")[0]
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret
    )
    names = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    assert len(names) == 2
    for setting, number, kind in (
        ("s3.data.buckets", 0, "data"),
        ("s3.wal.path", 0, "data"),
        ("s3.ops.buckets", 1, "ops"),
    ):
        (name,) = (name for name in names if name.endswith(f"-{kind}"))
        assert f"{setting}={number}@s3://{name}?" in settings

    Admin(bed.target.client_config()).create_topics({"kept": 1})
    acked: list[bytes | None] = []
    producer = Producer({**bed.target.client_config(), "enable.idempotence": True, "delivery.timeout.ms": 120_000})

    def send(count: int) -> None:
        for _ in range(count):
            producer.produce("kept", b"x", on_delivery=lambda error, m: acked.append(m.value()) if not error else None)
        assert producer.flush(60) == 0

    send(100)
    bed.target.kill()
    assert bed.target.stopped()
    bed.target.restart()
    send(100)
    bed.target.freeze()
    assert bed.target.stopped()
    bed.target.thaw()
    send(100)
    bed.target.restart()
    send(100)
    assert len(acked) == 400
    consumer = Consumer({**bed.target.client_config(), "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe(["kept"])
    read: list[object] = []
    while len(read) < 400 and (messages := consumer.consume(400, 20)):
        read += [message for message in messages if message.error() is None]
    consumer.close()
    assert len(read) == 400


@pytest.mark.parametrize("keep", [False, True])
def test_a_failed_format_reports_the_reason_and_leaves_nothing(home: Path, tmp_path: Path, keep: bool) -> None:
    broken = tmp_path / "automq-1.7.3_kafka-3.9.1"
    (broken / "libs").mkdir(parents=True)
    for jar in (home / "libs").iterdir():
        if "argparse4j" not in jar.name:  # what the distribution's `kafka-storage` cannot do without
            (broken / "libs" / jar.name).symlink_to(jar.resolve())
    with started_store(tmp_path / "s3.log") as given:
        bed = AutomqTestbed(tmp_path / "bed", AutomqOptions(broken, given, keep))
        with pytest.raises(UsageError, match="formatting the target's storage ended with 1"):
            bed.start()
        assert processes_of(bed.workdir) == []
        assert len(given.client().list_buckets()["Buckets"]) == (2 if keep else 0)
        assert bed.describe()["s3"] == given.endpoint


def test_a_rehearsal_on_it_passes_and_reports_what_the_target_is(
    home: Path, distribution: Distribution, tmp_path: Path
) -> None:
    command = ["rehearse", "stop-first", "--testbed", "automq", "--automq-home", str(home), "--seed", "3"]
    done = subprocess.run([*PROGRAM, *command], cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads((tmp_path / "cutover-out/rehearsal.json").read_text())
    assert facts["target_kind"] == ("AutoMQ" if distribution.automq else "stand-in")
    assert distribution.title in facts["environment"]["target"]
    assert sys.executable not in json.dumps(facts["environment"])
    kept = {log.name for log in (tmp_path / "cutover-out/stop-first/logs").iterdir()}
    assert {"s3.log", "target-format.log", "target.log"} <= kept
