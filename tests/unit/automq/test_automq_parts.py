"""The AutoMQ testbed without a broker: what is read from a distribution, downloaded and rendered."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from cutover_harness.cli import doctor_automq
from cutover_harness.cli.app import run
from cutover_harness.errors import UsageError
from cutover_harness.mirror import Batch, MirrorSpec
from cutover_harness.mirror.connector_configs import forward_configs
from cutover_harness.testbed.automq import AutomqOptions, AutomqTestbed, settings
from cutover_harness.testbed.automq.distribution import read_distribution
from cutover_harness.testbed.s3 import given_store

from tests.unit.automq.distributions import ANOTHER, RELEASE_1_7_3, STORE, Maker, options


def test_it_is_automq_only_if_automqs_code_is_in_it(distribution: Maker, tmp_path: Path) -> None:
    real = read_distribution(distribution())
    assert (real.automq, real.version, real.kafka_version) == (True, "1.7.3", "3.9.1")
    assert real.title == "AutoMQ 1.7.3 (Kafka 3.9.1)"
    bed = AutomqTestbed(tmp_path / "work", AutomqOptions(real.home))
    assert (bed.kind, bed.target_kind) == ("automq", "AutoMQ")
    assert bed.describe()["target"] == "AutoMQ 1.7.3 (Kafka 3.9.1)"


def test_a_name_alone_does_not_make_it_automq(distribution: Maker, tmp_path: Path) -> None:
    home = distribution(automq=False)
    bed = AutomqTestbed(tmp_path / "work", AutomqOptions(home))
    assert bed.target_kind == "stand-in"
    assert bed.describe()["target"] == "Apache Kafka 3.9.1 from automq-1.7.3_kafka-3.9.1 standing in for AutoMQ"


def test_the_version_may_be_in_a_jar_or_nowhere(distribution: Maker) -> None:
    assert read_distribution(distribution("renamed", s3stream="1.6.0", commit=ANOTHER)).version == "1.6.0"
    unknown = read_distribution(distribution("other", commit=ANOTHER))
    assert unknown.version is None
    assert unknown.title == "AutoMQ (version unknown) (Kafka 3.9.1)"


def test_a_folders_name_proves_no_version(distribution: Maker) -> None:
    release = read_distribution(distribution("automq-1.6.0_kafka-3.9.1"))
    assert (release.version, release.proved) == ("1.7.3", True)
    assert release.version_from == f"by the commit that its jars were built from ({RELEASE_1_7_3})"
    named = read_distribution(distribution("automq-1.5.0_kafka-3.9.0", commit=ANOTHER))
    assert named.title == "AutoMQ (1.5.0 by its folder's name alone) (Kafka 3.9.1)"
    wrong = read_distribution(distribution("automq-1.7.3_kafka-3.9.1", commit=ANOTHER))
    assert wrong.title == "AutoMQ (version unknown) (Kafka 3.9.1)"
    assert f"its folder is named 1.7.3, but its jars were built from commit {ANOTHER}" in wrong.version_from


def test_doctor_examines_a_distribution(distribution: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=4_000_000_000))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    found = {what: (state, text) for what, state, text in doctor_automq.look(distribution())}
    assert found["automq"][1].startswith("AutoMQ 1.7.3 (Kafka 3.9.1); version by the commit that its jars were built")
    assert found["automq extra"] == ("ok", "installed")
    assert found["automq memory"] == ("ok", "4.0 GB available, enough for --jobs 2 (1.5 GB each)")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1_000_000_000))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    found = {what: (state, text) for what, state, text in doctor_automq.look(distribution("plain", automq=False))}
    assert found["automq"] == ("-", "Apache Kafka 3.9.1 from plain standing in for AutoMQ")
    assert found["automq extra"] == ("-", "not installed: pip install 'kafka-cutover[automq]'")
    assert found["automq memory"] == ("-", "1.0 GB available, a rehearsal needs 1.5 GB")
    with pytest.raises(UsageError, match=r"--automq-home .*nowhere: does not exist"):
        doctor_automq.look(tmp_path / "nowhere")


def test_of_the_shipped_settings_only_automqs_own_are_taken(distribution: Maker) -> None:
    assert read_distribution(distribution()).settings == {
        "s3.stream.object.compaction.living.time.minutes": "60",
        "create.topic.policy.class.name": "kafka.server.es.ElasticCreateTopicPolicy",
        "s3.wal.path": "/tmp/wal",
        "elasticstream.endpoint": "s3://",
    }


def test_an_unusable_home_is_one_line(distribution: Maker, tmp_path: Path) -> None:
    def says(home: Path) -> str:
        with pytest.raises(UsageError) as wrong:
            read_distribution(home)
        assert "\n" not in str(wrong.value)
        return str(wrong.value)

    assert "does not exist" in says(tmp_path / "none")
    (tmp_path / "automq.tgz").touch()
    assert "is a file: unpack it" in says(tmp_path / "automq.tgz")
    (tmp_path / "empty").mkdir()
    assert "has no libs folder with jars" in says(tmp_path / "empty")
    clientless, brokerless, damaged = distribution("a"), distribution("b"), distribution("c")
    (clientless / "libs/kafka-clients-3.9.1.jar").unlink()
    assert "contains neither AutoMQ nor Kafka, there is no kafka-clients jar" in says(clientless)
    (brokerless / "libs/kafka_2.13-3.9.1.jar").unlink()
    assert "no kafka_2.13 jar" in says(brokerless)
    (damaged / "libs/s3stream-3.9.1.jar").write_bytes(b"half of it")
    assert "s3stream-3.9.1.jar is not an intact jar" in says(damaged)


def read(file: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in file.read_text().replace("\\", "").splitlines())
    return {name: value for name, _, value in pairs}


def test_rendered_settings_are_those_that_automq_documents(tmp_path: Path) -> None:
    file = tmp_path / "p"
    own = {"s3.wal.path": "/tmp/wal", "create.topic.policy.class.name": "x.Y", "s3.object.compaction.cache.size": "1"}
    settings.write_broker(file, tmp_path / "data", 9092, 9093, own=own, store=STORE, buckets=("d", "o"))
    found = read(file)
    query = "?region=eu-west-1&endpoint=http://127.0.0.1:9000&pathStyle=true"
    assert found["elasticstream.enable"] == "true"
    assert found["s3.data.buckets"] == f"0@s3://d{query}"
    assert found["s3.ops.buckets"] == f"1@s3://o{query}"
    assert found["s3.wal.path"] == f"0@s3://d{query}"
    assert (found["process.roles"], found["node.id"]) == ("broker,controller", "1")
    assert found["controller.quorum.voters"] == "1@127.0.0.1:9093"
    assert found["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert found["log.dirs"] == str(tmp_path / "data")
    # The distribution's own settings stay unless the testbed sets them.
    assert (found["create.topic.policy.class.name"], found["s3.object.compaction.cache.size"]) == ("x.Y", "1")
    # How fast a dead broker is noticed is AutoMQ's to say, as what it costs is measured.
    assert not {"broker.session.timeout.ms", "broker.heartbeat.interval.ms", "num.io.threads"} & found.keys()


def test_secrets_are_in_the_environment_and_in_no_file_or_text(tmp_path: Path) -> None:
    file = tmp_path / "p"
    settings.write_broker(file, tmp_path / "data", 1, 2, own={}, store=STORE, buckets=("d", "o"))
    variables = settings.credentials(STORE)
    assert variables == {"KAFKA_S3_ACCESS_KEY": "the-access-key", "KAFKA_S3_SECRET_KEY": "the-secret-key"}
    for text in (file.read_text(), repr(STORE), repr(AutomqOptions(tmp_path, STORE))):
        assert "the-secret-key" not in text
        assert "the-access-key" not in text


def test_the_jvm_gets_the_options_of_automqs_own_scripts() -> None:
    options = set(settings.JVM_OPTIONS)
    assert {"-Xms1g", "-Xmx1g", "-XX:MaxDirectMemorySize=1G", "-XX:+UseZGC"} <= options
    # AutoMQ overrides its own environment by reflection.
    assert {"--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED"} <= options
    assert {"-Dio.netty.allocator.maxOrder=11", "-Dio.netty.tryReflectionSetAccessible=true"} <= options


def test_the_mirror_writes_to_automq_as_it_recommends() -> None:
    copying = forward_configs(MirrorSpec(Batch("b", ("t",), ()), "http://connect", {}, {}))["cutover-b-source"]
    assert copying["producer.override.enable.idempotence"] == "true"
    assert copying["producer.override.batch.size"] == str(1 << 20)
    assert copying["producer.override.max.request.size"] == str(16 << 20)
    assert 0 < int(copying["producer.override.linger.ms"]) <= 100


@pytest.mark.parametrize(
    ("automq", "exactly_once", "said"),
    [
        (True, True, ["MirrorMaker 2 with exactly-once copies about 500 records/s to AutoMQ"]),
        (True, False, []),
        (False, True, ["automq-1.7.3_kafka-3.9.1 holds no AutoMQ: its Kafka stands in"]),
    ],
)
def test_a_start_names_the_settings_that_figures_depend_on(
    distribution: Maker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    automq: bool,
    exactly_once: bool,
    said: list[str],
) -> None:
    def no_store(_: AutomqTestbed) -> None:
        raise UsageError("no store here")

    monkeypatch.setattr(AutomqTestbed, "_provide_store", no_store)
    bed = AutomqTestbed(tmp_path / "work", AutomqOptions(distribution(automq=automq)), exactly_once=exactly_once)
    notes: list[str] = []
    with pytest.raises(UsageError, match="no store here"):
        bed.start(notes.append)
    assert len(notes) == len(said)
    assert all(expected in note for expected, note in zip(said, notes, strict=True))


# S3 of one's own
@pytest.mark.parametrize("endpoint", ["s3://bucket", "127.0.0.1:9000", "http://host/bucket", "http://host?x=y"])
def test_an_endpoint_is_an_address_alone(endpoint: str) -> None:
    with pytest.raises(UsageError, match="expected http://HOST:PORT or https://HOST, without a bucket"):
        given_store(endpoint, "r", None, {})


def test_credentials_are_never_in_the_endpoint_nor_in_messages() -> None:
    with pytest.raises(UsageError) as wrong:
        given_store("http://me:secret@host", "r", None, {})
    assert "contains credentials" in str(wrong.value)
    assert "secret@" not in str(wrong.value)


def test_credentials_come_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = a%b\naws_secret_access_key = c\n")
    store = given_store("http://h:1/", "r", file, {"AWS_ACCESS_KEY_ID": "no", "AWS_SECRET_ACCESS_KEY": "no"})
    assert (store.endpoint, store.access_key, store.secret_key) == ("http://h:1", "a%b", "c")
    both = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "KAFKA_S3_ACCESS_KEY": "k"}
    assert given_store("http://h:1", "r", None, both).access_key == "x"
    with pytest.raises(UsageError, match="no credentials; set KAFKA_S3_ACCESS_KEY and KAFKA_S3_SECRET_KEY or AWS_"):
        given_store("http://h:1", "r", None, {"AWS_ACCESS_KEY_ID": "x"})
    file.write_text("[default]\nthe secret itself\n")
    with pytest.raises(UsageError, match=r"expected \[default\]") as wrong:
        given_store("http://h:1", "r", file, {})
    assert "the secret itself" not in str(wrong.value)
    with pytest.raises(UsageError, match="none: cannot be read"):
        given_store("http://h:1", "r", tmp_path / "none", {})


def test_options_that_contradict_each_other(distribution: Maker) -> None:
    home = distribution()
    with pytest.raises(UsageError, match="choose an AutoMQ"):
        options()
    with pytest.raises(UsageError, match="leave out --automq-url"):
        options(home=home, version="1.7.3")
    with pytest.raises(UsageError, match="name it with --s3-endpoint"):
        options(home=home, s3_region="eu-west-1")
    assert options(home=home).store is None


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--testbed", "automq"], "--testbed automq: choose an AutoMQ with --automq-home DIR"),
        (["--testbed", "automq", "--automq-home", "none"], "--automq-home none: does not exist"),
        (["--automq-home", "none"], "--automq-home none: is for --testbed automq, not for process: leave it out"),
        (["--testbed", "automq", "--automq-home", ".", "--s3-region", "x"], "name it with --s3-endpoint"),
        (["--testbed", "automq", "--automq-home", ".", "--target-ack-delay", "250"], "AutoMQ has its own delay"),
        (["--testbed", "automq", "--automq-home", ".", "--memory", "1g"], "--memory 1g: is for --testbed docker"),
    ],
)
def test_a_user_mistake_is_one_line(
    args: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["kafka-cutover", "rehearse", *args])
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            run()
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert says in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_commands_work_without_the_extra() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('boto3', 'botocore', 'moto', 'flask_cors'))); "
        "import importlib, cutover_harness.testbed.automq; from cutover_harness.cli.commands import COMMANDS; "
        "[importlib.import_module(place.partition(':')[0]) for place in COMMANDS.values()]"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
