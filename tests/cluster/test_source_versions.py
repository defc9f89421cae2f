"""The oldest and the newest version of Kafka that a source of the testbed can have."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from cutover_harness.admin import Admin
from cutover_harness.channels.names import TopicName
from cutover_harness.channels.topic import TopicWriter
from cutover_harness.testbed import ProcessTestbed
from cutover_harness.testbed.nodes import Broker
from cutover_harness.types import ClusterName

from tests import waiting
from tests.documents import text
from tests.waiting import running_below

OLDEST, NEWEST = "2.8.2", "4.4.0"
PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()"]
eventually = partial(waiting.eventually, seconds=30)


class WithoutIds(ProcessTestbed):
    """A source whose brokers may still be rolled back to Kafka 2.7."""

    def _new_broker(self, name: ClusterName, classpath: list[Path]) -> Broker:
        broker = super()._new_broker(name, classpath)
        if name == "source":
            with (self.workdir / "source.properties").open("a") as file:
                file.write("inter.broker.protocol.version=2.7\n")
        return broker


@pytest.fixture(scope="module", params=[OLDEST, NEWEST])
def bed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessTestbed]:
    """A testbed whose source has the version; tests leave every node running."""
    with ProcessTestbed(tmp_path_factory.mktemp("bed"), source_version=request.param) as running:
        yield running


@pytest.mark.parametrize("how", ["kill", "freeze", "stop", "restart"])
def test_the_source_fails_and_comes_back_with_its_data(bed: ProcessTestbed, how: str) -> None:
    config, topic = bed.source.client_config(), f"kept-{how}"
    admin = Admin(config)
    admin.create_topics({topic: 1})
    producer = Producer(config)
    producer.produce(topic, b"kept")
    assert producer.flush(20) == 0
    before = bed.source.pid
    if how == "freeze":
        bed.source.freeze()
        with pytest.raises(KafkaException):
            AdminClient({**config}).list_topics(timeout=1)
        bed.source.thaw()
    elif how == "restart":
        bed.source.restart()
    else:
        getattr(bed.source, how)()
        assert bed.source.pid is None
        bed.source.restart()
    assert (bed.source.pid == before) == (how == "freeze")
    assert admin.end_offsets([topic]) == {(topic, 0): 1}


def test_what_is_known_of_topics_and_groups(bed: ProcessTestbed, tmp_path: Path) -> None:
    """Topic ids on both; the newest record and the new group protocol not on the oldest, which must show."""
    config = bed.source.client_config()
    admin = Admin(config)
    admin.create_topics({"known": 1})
    (first,) = admin.topic_ids(["known"]).values()
    admin.delete_topics(["known"])
    admin.create_topics({"known": 1})
    assert admin.topic_ids(["known"])["known"] != first
    producer = Producer(config)
    for when_ms in (1_000_000_000_000, 1_000_000_060_000):
        producer.produce("known", b"x", timestamp=when_ms)
    assert producer.flush(20) == 0
    newest = bed.source.version == NEWEST
    assert read_by_a_group(config, "known", "consumer") == (2 if newest else 0)
    assert read_by_a_group(config, "known", "classic") == 2

    (tmp_path / "source").write_text(f"bootstrap.servers={bed.source.bootstrap}\n")
    (tmp_path / "target").write_text(f"bootstrap.servers={bed.target.bootstrap}\n")
    command(tmp_path, "inventory", "--source", "source", "-o", "inventory.json", "--sample", "0")
    listing = json.loads((tmp_path / "inventory.json").read_text(encoding="utf-8"))
    cluster = listing["clusters"]["source"]
    (topic,) = [each for each in cluster["topics"] if each["name"] == "known"]
    assert topic["first_write"].startswith("2001-09-09T01:46:40")
    gaps = {gap["what"] for gap in listing["gaps"] if gap["kind"] == "unsupported"}
    if newest:
        assert topic["last_write"].startswith("2001-09-09T01:47:40")
        assert gaps == set()
    else:
        assert topic["last_write"] is None, "the first record's time is no last write"
        assert gaps == {"last writes", "transactional ids"}
    assert cluster["version"] == ("4" if newest else "2.8")
    assert {group["type"] for group in cluster["groups"]} == ({"classic", "consumer"} if newest else {"classic"})

    output = json.loads(
        command(tmp_path, "preflight", "--source", "source", "--target", "target", "--json", code=1 if newest else 0)
    )
    rules = {finding["rule"]: finding["severity"] for finding in output["findings"]}
    assert rules.get("source-version") == ("warning" if newest else None)
    assert rules.get("group-protocol") == ("blocker" if newest else None)


def test_without_topic_ids_nothing_is_claimed(tmp_path: Path) -> None:
    """Brokers have them from Kafka 2.8 on, and not while an older inter.broker.protocol.version is configured."""
    with WithoutIds(tmp_path / "bed", source_version=OLDEST) as bed:
        config = bed.source.client_config()
        admin = Admin(config)
        admin.create_topics({"t": 1})
        assert admin.topic_ids(["t"]) == {}
        (tmp_path / "source").write_text(f"bootstrap.servers={bed.source.bootstrap}\n")
        output = json.loads(command(tmp_path, "preflight", "--source", "source", "--json"))
        (finding,) = [each for each in output["findings"] if each["rule"] == "source-version"]
        assert finding["subject"].startswith("source, Kafka 2.7, or inter.broker.protocol.version")
        assert "no topic ids" in finding["reason"]

        with closing(TopicWriter(TopicName("control", "source"), config)) as writer:
            texts = [text(generation) for generation in (1, 2, 3)]
            writer.write(texts[0], replaces=None)
            writer.write(texts[1], replaces=texts[0])
            admin.delete_topics(["control"])
            admin.create_topics({"control": 1}, {"cleanup.policy": "compact"})
            assert writer.read() is None, "a recreated topic shows by its shorter log"
            writer.write(texts[2], replaces=None)
            assert writer.read() == texts[2]


def read_by_a_group(config: dict[str, str], topic: str, protocol: str) -> int:
    """Return how many of two records a group of this protocol reads; it leaves the group at the end."""
    settings = {"group.id": f"{topic}-{protocol}", "auto.offset.reset": "earliest", "group.protocol": protocol}
    consumer, read = Consumer({**config, **settings}), 0
    consumer.subscribe([topic])
    deadline = time.monotonic() + (10 if protocol == "consumer" else 60)
    while read < 2 and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        read += message is not None and message.error() is None
    if read:
        consumer.commit(asynchronous=False)
    consumer.close()
    return read


def command(folder: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run([*PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_everything_listens_on_loopback(bed: ProcessTestbed) -> None:
    assert bed.source.version in bed.describe()["source"]
    # None for a process that has just ended.
    running = [
        p for p in psutil.process_iter(["cmdline"]) if any(str(bed.workdir) in part for part in p.info["cmdline"] or ())
    ]
    assert len(running) == (4 if bed.source.version == OLDEST else 3)
    for process in running:
        listening = [c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
        assert listening
        assert {address.ip for address in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}
        assert all(address.port < 32768 for address in listening)


def test_zookeeper_ends_with_a_tool_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from cutover_harness.testbed import ProcessTestbed
bed = ProcessTestbed(Path(sys.argv[1]), source_version="{OLDEST}")
bed.start()
print("up", flush=True)
time.sleep(300)
"""
    tool = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert tool.stdout is not None
    assert tool.stdout.readline() == b"up\n"
    assert len(running_below(tmp_path)) >= 4
    os.kill(tool.pid, signal.SIGKILL)
    tool.communicate()
    assert eventually(lambda: not running_below(tmp_path))


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_switchover_and_a_rollback_are_rehearsed(tmp_path: Path, version: str) -> None:
    scenarios = ["in-process", "rollback-from-6-reverse"]
    options = ["--source-version", version, "--seed", "7", "--jobs", "2"]
    done = subprocess.run(
        [*PROGRAM, "rehearse", *scenarios, *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    facts = json.loads((tmp_path / "cutover-out" / "rehearsal.json").read_text(encoding="utf-8"))
    assert version in facts["environment"]["source"]
    assert facts["scenarios"] == scenarios
    assert not running_below(tmp_path)
