"""A target with TLS and SASL: switched to with its own credentials, recorded from, and no secret anywhere."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message
from cutover_harness.admin import Admin
from cutover_harness.capture import CaptureReader
from cutover_harness.features import finalized_features
from cutover_shim import Consumer, Producer

from tests.cluster.secured import USER, SecuredTestbed

PASSWORD = "correct-horse-9f41"
WRONG = "wrong-battery-77aa"
PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()"]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredTestbed]:
    with SecuredTestbed(tmp_path_factory.mktemp("secured"), PASSWORD) as bed:
        yield bed


class App:
    """A producer and a consumer of one topic; the cutover file names the target with TLS and a password from a file."""

    def __init__(self, bed: SecuredTestbed, folder: Path, topic: str) -> None:
        self.bed, self.folder, self.topic = bed, folder, topic
        for cluster in (bed.source, bed.target):
            Admin(cluster.client_config()).create_topics({topic: 1})
        self.password = folder / "password"
        self.password.write_text(PASSWORD + "\n")
        self.generation = 0
        self.acked: list[bytes] = []
        self.read: list[bytes] = []
        self.write("source")
        conf = {**bed.source.client_config(), "cutover.file": str(folder / "c.toml"), "cutover.status": str(folder)}
        self.producer = Producer({**conf, "cutover.instance": "p"})
        # On both clusters from the start: where a group goes on is not what this is about.
        more = {"group.id": f"{topic}-g", "auto.offset.reset": "earliest", "cutover.instance": "c"}
        self.consumer = Consumer({**conf, **more})
        self.consumer.subscribe([topic])

    def write(self, where: str) -> None:
        self.generation += 1
        new = self.folder / "new.toml"
        new.write_text(f"""
generation = {self.generation}
[clusters.source]
"bootstrap.servers" = "{self.bed.source.bootstrap}"
[clusters.target]
"bootstrap.servers" = "{self.bed.secured}"
"security.protocol" = "SASL_SSL"
"ssl.ca.location" = "{self.bed.ca}"
"sasl.mechanism" = "PLAIN"
"sasl.username" = "{USER}"
"sasl.password" = "${{file:{self.password}}}"
[routes.r]
topics = ["{self.topic}"]
groups = ["{self.topic}-g"]
producers = "{where}"
consumers = "{where}"
""")
        new.replace(self.folder / "c.toml")

    def status(self, instance: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / f"{instance}.json").read_text())["routes"]["r"]
        except (OSError, KeyError):
            return {}
        return found

    def step(self) -> None:
        """Serve both clients for a moment."""
        self.producer.poll(0.01)
        message = self.consumer.poll(0.02)
        if message is not None and message.error() is None:
            self.read.append(message.value() or b"")

    def until(self, what: Callable[[], object], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, (self.status("p"), self.status("c"))
            self.step()

    def send(self, *values: bytes) -> None:
        def report(error: Any, message: Message) -> None:
            assert error is None, error
            self.acked.append(message.value() or b"")

        for value in values:
            self.producer.produce(self.topic, value, on_delivery=report)
        self.until(lambda: set(values) <= set(self.acked) and set(values) <= set(self.read))

    def at(self, where: str) -> bool:
        return all(self.status(each).get("state") == where for each in "pc")

    def close(self) -> None:
        self.consumer.close()
        self.producer.close()


@pytest.fixture
def app(bed: SecuredTestbed, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[App]:
    app = App(bed, tmp_path, request.node.name.replace("_", "-")[:60])
    yield app
    app.close()


def nothing_told(app: App, caplog: pytest.LogCaptureFixture, *secrets: str) -> None:
    """Check that no secret is in a status, a log line or a representation."""
    texts = [caplog.text, repr(app.producer), repr(app.consumer)]
    texts += [path.read_text() for path in app.folder.glob("*.json")]
    for secret in secrets:
        assert not [text for text in texts if secret in text]


def test_switches_between_plaintext_and_sasl_ssl(
    bed: SecuredTestbed, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app.send(b"1", b"2")
    for number, where in enumerate(("target", "source", "target")):
        app.write(where)
        app.until(lambda where=where: app.at(where))  # type: ignore[misc]
        app.send(*(b"%s-%d-%d" % (where.encode(), number, n) for n in range(20)))
    assert len(app.acked) == len(set(app.acked)) == 62
    nothing_told(app, caplog, PASSWORD)


def test_clients_stay_until_a_wrong_password_is_corrected(
    bed: SecuredTestbed, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app.send(b"before")
    app.password.write_text(WRONG)
    app.write("target")
    app.until(lambda: "uthentication" in str(app.status("p").get("error")))
    app.send(b"meanwhile")
    app.password.write_text(PASSWORD)
    app.write("target")
    app.until(lambda: app.at("target"))
    app.send(b"after")
    nothing_told(app, caplog, PASSWORD, WRONG)


def test_credentials_from_a_file_or_one_line(bed: SecuredTestbed, tmp_path: Path) -> None:
    topic = "secured-recording"
    Admin(bed.target.client_config()).create_topics({topic: 2})
    plain = Producer(bed.target.client_config())
    for number in range(100):
        plain.produce(topic, b"%d" % number)
    assert plain.flush(20) == 0
    secret, cluster = tmp_path / "secret", tmp_path / "cluster.properties"
    cluster.write_text(
        f"bootstrap.servers={bed.secured}\nsecurity.protocol=SASL_SSL\nssl.ca.location={bed.ca}\n"
        f"sasl.mechanism=PLAIN\nsasl.username={USER}\nsasl.password=${{file:{secret}}}\n"
    )

    def call(*command: str | Path) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([*PROGRAM, *command], capture_output=True, text=True, check=False, timeout=90)
        assert not [secret for secret in (PASSWORD, WRONG) if secret in done.stdout + done.stderr]
        return done

    record: list[str | Path] = ["record", topic, "--cluster", cluster, "--out", tmp_path / "out.parquet"]
    look: list[str | Path] = ["preflight", "--source", cluster, "--topics", topic]
    secret.write_text(WRONG)
    for command in (record, look):
        refused = call(*command)
        assert refused.returncode == 2
        assert "Authentication failed" in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out.parquet").exists()

    known = cluster.read_text()
    cluster.write_text(known.replace(f"ssl.ca.location={bed.ca}\n", ""))
    untrusted = call(*record)
    assert untrusted.returncode == 2
    assert "certificate verify failed" in untrusted.stderr
    assert len(untrusted.stderr.strip().splitlines()) == 1
    cluster.write_text(known)

    secret.write_text(PASSWORD)
    done = call(*record)
    assert done.returncode == 0, done.stderr
    with CaptureReader(tmp_path / "out.parquet") as reader:
        assert reader.records == 100
    assert topic in call(*look).stdout


def test_finalized_features_need_the_certificate_and_no_login(bed: SecuredTestbed) -> None:
    config = {"bootstrap.servers": bed.secured, "security.protocol": "SASL_SSL", "ssl.ca.location": str(bed.ca)}
    features = finalized_features(config)
    assert features is not None
    assert "metadata.version" in features
    assert "automq.version" not in features
    assert finalized_features({**config, "security.protocol": "SASL_PLAINTEXT"}, timeout_s=2) is None
    del config["ssl.ca.location"]
    assert finalized_features(config) is None
