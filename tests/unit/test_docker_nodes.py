"""How containers are configured and started, against what AutoMQ and Kafka document; no engine is needed."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import docker
import psutil
import pytest
from cutover_harness.errors import UnavailableError, UsageError
from cutover_harness.testbed import settings
from cutover_harness.testbed.base import TestbedError
from cutover_harness.testbed.docker import container, description, engine, netem, nodes
from cutover_harness.testbed.docker.image import SCRIPTS
from cutover_harness.testbed.docker.options import DockerOptions, image_of
from cutover_harness.testbed.s3 import S3Store

STORE = nodes.Store(S3Store("http://s3:9000", "us-east-1", "access-key", "secret-key"), "bucket-data", "bucket-ops")
BASH = "/bin/bash"
SECRETS = ("access-key", "secret-key")


def properties(node: nodes.Node, file: str = nodes.SERVER_FILE) -> dict[str, str]:
    """What Java reads from a file without line continuations."""
    pairs = (line.replace("\\", "").partition("=") for line in node.files[file].splitlines())
    return {key: value for key, _, value in pairs}


def test_automq_as_it_documents_a_single_node() -> None:
    node = nodes.broker("target", "automqinc/automq:1.7.3", 21000, 21000, None, STORE)
    found = properties(node)
    where = "region=us-east-1&endpoint=http://s3:9000&pathStyle=true"
    assert found["elasticstream.enable"] == "true"
    assert found["s3.data.buckets"] == f"0@s3://bucket-data?{where}"
    assert found["s3.ops.buckets"] == f"1@s3://bucket-ops?{where}"
    assert found["s3.wal.path"] == f"0@s3://bucket-data?{where}"
    assert found["process.roles"] == "broker,controller"
    assert node.env["KAFKA_S3_ACCESS_KEY"] == "access-key"
    assert node.env["KAFKA_S3_SECRET_KEY"] == "secret-key"
    assert node.env["KAFKA_HEAP_OPTS"] == "-Xms1g -Xmx1g -XX:MetaspaceSize=96m -XX:MaxDirectMemorySize=1G"
    assert "KAFKA_OPTS" not in node.env
    assert node.memory == "3g"
    assert node.stop_grace_s >= 30


def test_timeouts_of_automq_are_its_own() -> None:
    found = properties(nodes.broker("target", "x", 1, 1, None, STORE))
    assert not found.keys() & {"broker.session.timeout.ms", "controller.quorum.fetch.timeout.ms", "num.io.threads"}


def test_no_secret_is_on_a_command_line_in_a_file_or_printed() -> None:
    node = nodes.broker("target", "x", 1, 1, None, STORE)
    store = nodes.s3_store("minio/minio", *SECRETS, 1, None)
    for one in (node, store):
        for secret in SECRETS:
            assert secret not in " ".join(one.command)
            assert secret not in "".join(one.files.values())
            assert secret not in repr(one)
    assert (store.env["MINIO_ROOT_USER"], store.env["MINIO_ROOT_PASSWORD"]) == SECRETS
    assert store.command == ("server", "/data")


def test_a_kafka_broker_is_no_automq() -> None:
    node = nodes.broker("source", "apache/kafka:3.9.2", 21000, 21000, None)
    assert not any(key.startswith(("s3.", "elasticstream.")) for key in properties(node))
    assert not any("S3" in key for key in node.env)
    assert node.memory == "1g"


def test_listeners_for_containers_and_for_the_host() -> None:
    node = nodes.broker("target", "x", published=21001, advertised=21000, memory="2g")
    found = properties(node)
    assert found["listeners"] == "INTERNAL://:9092,CONTROLLER://:9093,HOST://:9094"
    assert found["advertised.listeners"] == "INTERNAL://kafka-target:9092,HOST://127.0.0.1:21000"
    assert set(found["listener.security.protocol.map"].split(",")) == {
        f"{name}:PLAINTEXT" for name in ("INTERNAL", "CONTROLLER", "HOST")
    }
    assert found["inter.broker.listener.name"] == "INTERNAL"
    assert found["controller.quorum.voters"] == "1@kafka-target:9093"
    assert node.ports == {9094: 21001}
    assert node.memory == "2g"
    assert nodes.internal_address(node) == "kafka-target:9092"


def test_a_broker_before_kafka_3_keeps_its_metadata_in_a_zookeeper_of_its_image() -> None:
    metadata = nodes.zookeeper_of("image:2.8", 21002, None)
    node = nodes.broker_on_zookeeper("source", "image:2.8", 21000, None, metadata)
    found = properties(node)
    assert found["zookeeper.connect"] == "zookeeper:2181"
    assert found["listeners"] == "INTERNAL://:9092,HOST://:9094"
    assert found["advertised.listeners"] == "INTERNAL://kafka-source:9092,HOST://127.0.0.1:21000"
    assert not [name for name in found if name.startswith(("process.", "controller.", "node."))], (
        "2.8 has an early KRaft"
    )
    assert "format" not in node.command[2], "such a broker formats its storage itself"
    assert metadata.image == node.image
    assert metadata.ports == {2181: 21002}
    assert properties(metadata, nodes.ZOOKEEPER_FILE)["clientPort"] == "2181"


@pytest.mark.parametrize(
    ("version", "image"),
    [
        ("2.8.2", "confluentinc/cp-kafka:6.2.1"),
        ("3.4.1", "confluentinc/cp-kafka:7.4.0"),
        ("3.7.0", "apache/kafka:3.7.0"),
        ("4.4.0", "apache/kafka:4.4.0"),
    ],
)
def test_a_version_chooses_an_image(version: str, image: str) -> None:
    assert image_of(version) == image


@pytest.mark.parametrize("version", ["2.7.1", "latest", ""])
def test_a_version_without_an_image_is_refused(version: str) -> None:
    with pytest.raises(UsageError, match=r"--source-version .*: images are known for 2\.8, .*3\.7 and later: "):
        image_of(version)


def test_connect_is_kafka_3_9_whatever_version_the_source_has() -> None:
    assert DockerOptions(source_image="mine").image_of_connect == "mine"
    assert DockerOptions(source_image="mine", source_version="2.8.2").image_of_connect == "apache/kafka:3.9.2"
    assert DockerOptions(source_version="2.8.2", connect_image="own").image_of_connect == "own"


@pytest.mark.parametrize(
    ("jars", "version"),
    [
        ("kafka-clients-3.9.2.jar\nkafka_2.13-3.9.2.jar", "3.9.2"),
        ("kafka_2.13-6.2.1-ccs.jar", "2.8 (Confluent 6.2.1)"),
        ("kafka_2.13-99.1.0-ccs.jar", "unknown (Confluent 99.1.0)"),
        ("", "2.8"),
    ],
)
def test_the_version_by_the_jars_of_an_image(jars: str, version: str) -> None:
    assert description.version("some/kafka:2.8", jars, automq=False) == version


@pytest.mark.parametrize("exactly_once", [True, False])
def test_connect_keeps_its_state_on_the_target(exactly_once: bool) -> None:
    target = nodes.broker("target", "x", 1, 1, None)
    node = nodes.connect("connect", "image", target, 21002, None, exactly_once=exactly_once)
    found = properties(node, nodes.CONNECT_FILE)
    assert found["bootstrap.servers"] == "kafka-target:9092"
    assert found["exactly.once.source.support"] == ("enabled" if exactly_once else "disabled")
    assert found["header.converter"].endswith("ByteArrayConverter")
    assert node.ports == {8083: 21002}


def test_connect_reads_secrets_from_a_folder_that_is_mounted(tmp_path: Path) -> None:
    target = nodes.broker("target", "x", 1, 1, None)
    node = nodes.connect("connect", "image", target, 21002, None, exactly_once=False, secrets=tmp_path)
    found = properties(node, nodes.CONNECT_FILE)
    assert found["config.providers.cutover.param.allowed.paths"] == str(tmp_path)
    assert node.secrets == tmp_path
    assert node.env["LOG_DIR"].startswith("/tmp/"), "the image's own folder is writable for another user alone"
    without = nodes.connect("connect", "image", target, 21002, None, exactly_once=False)
    assert not any(key.startswith("config.providers") for key in properties(without, nodes.CONNECT_FILE))
    assert without.secrets is None


class Securing:
    """A client of an engine with these security options."""

    def __init__(self, *options: str) -> None:
        self.options = options

    def info(self) -> dict[str, object]:
        return {"SecurityOptions": list(self.options)}


def test_a_container_that_reads_secrets_runs_as_the_user_who_wrote_them() -> None:
    me = f"{os.getuid()}:{os.getgid()}"
    assert engine.reading_options(Securing()) == {"user": me}
    assert engine.reading_options(Securing("name=seccomp,profile=builtin")) == {"user": me}
    assert engine.reading_options(Securing("name=userns")) == {"user": me, "userns_mode": "host"}
    assert engine.reading_options(Securing("name=rootless", "name=cgroupns")) == {"user": "0:0"}


@pytest.mark.parametrize(
    ("home", "formatted", "calls"),
    [
        ("/opt/kafka", False, ["/opt/kafka format", "/opt/kafka start"]),
        ("/opt/kafka", True, ["/opt/kafka start"]),
        ("/opt/automq/kafka", False, ["/opt/automq/kafka format", "/opt/automq/kafka start"]),
        ("/opt/bitnami/kafka", False, ["/opt/bitnami/kafka format", "/opt/bitnami/kafka start"]),
        ("/usr", False, ["/usr format", "/usr start"]),
    ],
)
def test_one_command_for_all_layouts(tmp_path: Path, home: str, formatted: bool, calls: list[str]) -> None:
    """The command is run by bash on a folder laid out as the image is."""
    command = nodes.broker("target", "x", 1, 1, None).command
    assert command[:2] == ("bash", "-c")
    script = command[2].replace("/tmp/kafka", f"{tmp_path}/data/kafka").replace("/opt/", f"{tmp_path}/opt/")
    script = script.replace("/usr/bin", f"{tmp_path}/usr/bin")
    suffix = "" if home == "/usr" else ".sh"
    scripts = tmp_path / home[1:] / "bin"
    scripts.mkdir(parents=True)
    for name, does in (("kafka-storage", "format"), ("kafka-server-start", "start")):
        file = scripts / f"{name}{suffix}"
        file.write_text(f'#!/bin/bash\necho {home} {does} "$@"\n', encoding="utf-8")
        file.chmod(0o755)
    if formatted:
        data = tmp_path / "data" / Path(nodes.DATA).name
        data.mkdir(parents=True)
        (data / "meta.properties").touch()
    done = subprocess.run([BASH, "-c", script], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [" ".join(line.split()[:2]) for line in lines] == calls
    assert lines[-1].endswith("/tmp/server.properties")
    if not formatted:
        words = lines[0].split()
        assert words[2] == "format"
        assert "--ignore-formatted" in words
        assert len(words[words.index("-t") + 1]) == 22


def test_a_format_that_fails_starts_nothing(tmp_path: Path) -> None:
    script = nodes.broker("target", "x", 1, 1, None).command[2].replace("/opt/", f"{tmp_path}/opt/")
    scripts = tmp_path / "opt/kafka/bin"
    scripts.mkdir(parents=True)
    for name, code in (("kafka-storage.sh", 1), ("kafka-server-start.sh", 0)):
        (scripts / name).write_text(f"#!/bin/bash\necho {name}\nexit {code}\n", encoding="utf-8")
        (scripts / name).chmod(0o755)
    done = subprocess.run([BASH, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "kafka-storage.sh\n")


def test_the_local_image_formats_as_kafka_does(tmp_path: Path) -> None:
    script, server, data = tmp_path / "format.sh", tmp_path / "server.properties", tmp_path / "data"
    script.write_text(SCRIPTS["kafka-storage.sh"], encoding="utf-8")
    settings.write_properties(server, {"log.dirs": str(data)})
    command = [BASH, str(script), "format", "--ignore-formatted", "-t", "A" * 22, "-c", str(server)]
    subprocess.run(command, check=True)
    written = (data / "meta.properties").read_text(encoding="utf-8")
    found = dict(line.split("=", 1) for line in written.splitlines())
    assert found.keys() == {"version", "cluster.id", "node.id", "directory.id"}
    assert found["cluster.id"] == "A" * 22
    assert len(found["directory.id"]) == 22
    subprocess.run(command, check=True)
    assert (data / "meta.properties").read_text(encoding="utf-8") == written, "data that is there is left alone"


def test_netem_commands() -> None:
    shown = "qdisc noqueue 0: dev lo root refcnt 2 \nqdisc noqueue 0: dev eth1 root refcnt 2 \n"
    assert netem.device(shown) == "eth1"
    replace = ["tc", "qdisc", "replace", "dev", "eth1", "root", "netem"]
    assert netem.impair_command("eth1", 250, 0) == [*replace, "delay", "250ms"]
    assert netem.impair_command("eth1", 0, 2.5) == [*replace, "loss", "2.5%"]
    assert netem.heal_command("eth1") == ["tc", "qdisc", "del", "dev", "eth1", "root"]
    with pytest.raises(UnavailableError, match="on no network"):
        netem.device("qdisc noqueue 0: dev lo root refcnt 2")


def test_only_things_of_an_ended_process_are_abandoned() -> None:
    mine = engine.labels("run")
    assert not engine.abandoned(mine)
    assert engine.of_run("run")(mine)
    assert not engine.of_run("other")(mine)
    with subprocess.Popen([BASH, "-c", ":"]) as gone:
        gone.wait()
    assert engine.abandoned({**mine, engine.PID: str(gone.pid)})
    assert engine.abandoned({**mine, engine.STARTED: str(psutil.Process().create_time() - 3600)}), "the id came again"
    assert not engine.abandoned({**mine, engine.PID: str(gone.pid), engine.MACHINE: f"not-{socket.gethostname()}"})
    assert not engine.abandoned({"org.example": "1"})


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("unix:///no/such/socket", "no container engine answers at DOCKER_HOST=unix:///no/such/socket"),
        ("tcp://192.0.2.1:2375", "the engine has to be on this machine"),
        ("ssh://me@192.0.2.1", "the engine has to be on this machine"),
    ],
)
def test_no_engine_is_one_line_with_a_remedy(monkeypatch: pytest.MonkeyPatch, host: str, says: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(UsageError) as raised:
        engine.connect()
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
    assert os.environ["DOCKER_HOST"] == host


class Pausing:
    """A container that cannot be paused so many times."""

    def __init__(self, failures: int, says: str) -> None:
        self.left, self.says, self.paused = failures, says, False

    def pause(self) -> None:
        self.left -= 1
        if self.left >= 0:
            raise docker.errors.APIError(self.says)
        self.paused = True


def paused(pausing: Pausing) -> Pausing:
    node = nodes.broker("source", "x", 1, 1, None)
    made = container.ContainerNode(None, node, "run", None, lambda: True, "", 0)
    made._container = pausing
    made.freeze()
    return pausing


def test_a_failed_freeze_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert paused(Pausing(2, "OCI runtime pause failed: unable to freeze: unknown")).paused
    with pytest.raises(TestbedError, match="no such container"):
        paused(Pausing(1, "no such container"))
    monkeypatch.setattr(container, "_FREEZE_LIMIT_S", 0.1)
    with pytest.raises(TestbedError, match="unable to freeze"):
        paused(Pausing(99, "unable to freeze"))
