"""`kafka-cutover inventory` against real brokers, with topics and groups of each kind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, Producer
from cutover_harness.admin import Admin
from cutover_harness.inventory.broker_calls import Client
from cutover_harness.testbed import ProcessTestbed
from kafka.protocol.admin import AlterClientQuotasRequest

from tests.waiting import wait_until

PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()", "inventory"]
DAY_MS = 86_400_000
NOW_MS = int(time.time() * 1000)


@dataclass
class Found:
    """The output of the command."""

    code: int
    document: dict[str, Any]
    progress: str
    folder: Path

    def topic(self, name: str, cluster: str = "source") -> dict[str, Any]:
        return next(each for each in self.document["clusters"][cluster]["topics"] if each["name"] == name)

    def group(self, name: str) -> dict[str, Any]:
        return next(each for each in self.document["clusters"]["source"]["groups"] if each["name"] == name)

    def gaps(self) -> dict[str, str]:
        return {each["what"]: each["kind"] for each in self.document["gaps"]}


def inventory(folder: Path, *args: str) -> Found:
    out = folder / "inventory.json"
    done = subprocess.run(
        [*PROGRAM, *args, "-o", str(out)], capture_output=True, text=True, timeout=180, check=False, cwd=folder
    )
    assert done.returncode in {0, 3}, done.stderr
    print(done.stdout, done.stderr)
    return Found(done.returncode, json.loads(out.read_text()), done.stderr, folder)


def produce(bed: ProcessTestbed, topic: str, count: int, *, age_days: float = 0.0, transactional_id: str = "") -> None:
    transactional = {"transactional.id": transactional_id} if transactional_id else {}
    producer = Producer({**bed.source.client_config(), **transactional})
    if transactional_id:
        producer.init_transactions(30)
        producer.begin_transaction()
    for number in range(count):
        stamp = int(NOW_MS - age_days * DAY_MS) + number
        producer.produce(topic, f"v{number}".encode(), f"k{number}".encode(), partition=number % 2, timestamp=stamp)
    if transactional_id:
        producer.commit_transaction(30)
    assert producer.flush(30) == 0


def add_connector(bed: ProcessTestbed) -> None:
    """Let Connect write the topic `heartbeats` of the target, and wait until it has."""
    config = {
        "connector.class": "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector",
        "source.cluster.alias": "source",
        "target.cluster.alias": "target",
        "source.cluster.bootstrap.servers": bed.source.bootstrap,
        "target.cluster.bootstrap.servers": bed.target.bootstrap,
        "emit.heartbeats.interval.seconds": "1",
        "heartbeats.topic.replication.factor": "1",
        "password.of.nobody": "planted-secret",
    }
    with httpx.Client(base_url=bed.connect_url, timeout=60, trust_env=False) as client:
        wait_until(lambda: client.put("/connectors/inv-beats/config", json=config).is_success)
        wait_until(lambda: client.get("/connectors/inv-beats/topics").json()["inv-beats"]["topics"])


def set_quota(bed: ProcessTestbed, client_id: str, bytes_per_s: float) -> None:
    entry = AlterClientQuotasRequest.EntryData
    entity = [entry.EntityData(entity_type="client-id", entity_name=client_id)]
    limit = [entry.OpData(key="producer_byte_rate", value=bytes_per_s, remove=False)]
    client = Client(bootstrap_servers=bed.source.bootstrap)
    answer = client.ask(AlterClientQuotasRequest(entries=[entry(entity=entity, ops=limit)], validate_only=False))
    client.close()
    assert [each.error_code for each in answer.entries] == [0]


def member(bed: ProcessTestbed, group: str, topic: str, read: int, **config: Any) -> Consumer:
    """Return a member of the group that has read and committed so many records."""
    properties = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, **config}
    consumer = Consumer({**bed.source.client_config(), **properties})
    consumer.subscribe([topic])
    seen = 0
    deadline = time.monotonic() + 60
    while seen < max(read, 1) or not consumer.assignment():
        assert time.monotonic() < deadline
        message = consumer.poll(1)
        if message is not None and message.error() is None:
            seen += 1
            if seen <= read:
                consumer.commit(message=message, asynchronous=False)
    return consumer


@pytest.fixture(scope="module")
def files(testbed: ProcessTestbed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inventory")
    for node in (testbed.source, testbed.target):
        (folder / f"{node.name}.properties").write_text(f"bootstrap.servers={node.bootstrap}\n")
    return folder


@pytest.fixture(scope="module")
def found(testbed: ProcessTestbed, files: Path) -> Found:
    """The listing of a cluster with topics and groups of each kind, while one producer and one consumer are live."""
    admin = Admin(testbed.source.client_config())
    admin.create_topics(
        {"inv-orders": 2, "inv-unread": 2, "inv-tx": 2, "inv-old": 2, "inv-old-read": 2, "inv-never": 1}
    )
    admin.create_topics({"inv-state": 2}, {"cleanup.policy": "compact"})
    admin.create_topics({"inv-append": 2}, {"message.timestamp.type": "LogAppendTime", "retention.ms": "7200000"})
    # Retention must not remove the old records: the testbed checks it often.
    for name in ("inv-old", "inv-old-read"):
        admin.set_topic_config(name, {"retention.ms": "-1"})
    for name in ("inv-orders", "inv-unread", "inv-state", "inv-append"):
        produce(testbed, name, 10)
    produce(testbed, "inv-tx", 6, transactional_id="inv-tid")
    for name in ("inv-old", "inv-old-read"):
        produce(testbed, name, 4, age_days=90)
    member(testbed, "inv-gone", "inv-orders", 4).close()
    member(testbed, "inv-never-committed", "inv-orders", 0).close()
    add_connector(testbed)
    set_quota(testbed, "inv-quota", 1e6)
    live = [
        member(testbed, "inv-live", "inv-old-read", 4, **{"client.id": "inv-client", "group.instance.id": "inv-1"}),
    ]
    statuses = files / "statuses"
    statuses.mkdir()
    shim = {"instance": "i-1", "app": "billing", "role": "producer", "updated": time.time()}
    routes = {"r": {"cluster": "source", "acked": {"inv-orders": {"0": 3}}}}
    (statuses / "i-1.json").write_text(json.dumps({**shim, "routes": routes}))
    (statuses / "other.json").write_text("[]")
    source, target = str(files / "source.properties"), str(files / "target.properties")
    command = [*PROGRAM, "--source", source, "--target", target, "--statuses", str(statuses), "--sample", "4"]
    command += ["--group-history", "--largest", "3", "--connect", testbed.connect_url]
    command += ["-o", str(files / "inventory.json"), "--html", str(files / "inventory.html")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            produce(testbed, "inv-orders", 2)
            live[0].poll(0.2)
        printed, progress = process.communicate()
    for each in live:
        each.close()
    httpx.delete(f"{testbed.connect_url}/connectors/inv-beats", trust_env=False)
    print(printed, progress)
    return Found(process.returncode, json.loads((files / "inventory.json").read_text()), progress, files)


def test_kinds_of_topics(found: Found) -> None:
    assert found.topic("inv-state")["compacted"]
    assert not found.topic("inv-orders")["compacted"]
    append = found.topic("inv-append")
    assert (append["timestamps"], append["retention_ms"]) == ("LogAppendTime", 7_200_000)
    assert append["config"] == {"message.timestamp.type": "LogAppendTime", "retention.ms": "7200000"}
    assert found.topic("inv-orders")["config"] == {}
    transactional = found.topic("inv-tx")
    assert transactional["transactional"]
    assert [each["transactional_id"] for each in transactional["producers"]] == ["inv-tid"]
    assert transactional["producers"][0]["partitions"] == [0, 1]
    assert found.topic("inv-orders")["producers"] == []
    assert not found.topic("inv-orders")["transactional"]


def test_sizes_writes_and_growth(found: Found) -> None:
    orders, unread, never = (found.topic(f"inv-{name}") for name in ("orders", "unread", "never"))
    assert orders["grown"] > 0
    assert orders["grown_per_s"] > 0
    assert (unread["grown"], unread["records"], unread["end"]) == (0, 10, 10)
    assert unread["bytes"] == unread["bytes_on_disk"] > 0
    assert (never["bytes"], never["end"], never["first_write"], never["last_write"]) == (0, 0, None, None)
    old = found.topic("inv-old")
    assert (
        old["first_write"][:10]
        == old["last_write"][:10]
        == time.strftime("%Y-%m-%d", time.gmtime(NOW_MS / 1000 - 90 * 86_400))
    )
    assert old["times_complete"]
    assert (old["largest_record"], never["largest_record"]) == (4, None)


def test_groups(found: Found) -> None:
    live, gone, never = found.group("inv-live"), found.group("inv-gone"), found.group("inv-never-committed")
    assert live["state"] == "stable"
    assert [(m["client_id"], m["instance_id"], m["partitions"]) for m in live["members"]] == [
        ("inv-client", "inv-1", 2)
    ]
    assert live["topics"] == [{"topic": "inv-old-read", "committed": 2, "assigned": 2, "lag": 0}]
    assert (gone["state"], gone["members"]) == ("empty", [])
    assert gone["lag"] > 0
    assert (never["topics"], never["lag"]) == ([], None)
    assert found.topic("inv-orders")["readers"] == ["inv-gone"]


def test_stale_is_what_was_neither_written_nor_read(found: Found) -> None:
    names = ("orders", "unread", "old", "old-read", "never")
    verdicts = {name: found.topic(f"inv-{name}")["stale"] for name in names}
    assert verdicts == {"orders": "no", "unread": "no", "old": "yes", "old-read": "no", "never": "unknown"}
    assert found.group("inv-live")["stale"] == "no"
    assert found.group("inv-gone")["stale"] == "no", "the testbed removes offsets after 7 days"
    assert found.group("inv-never-committed")["stale"] == "no", "its member left just now"


def test_times_of_groups_come_from_their_own_records(found: Found) -> None:
    gone, never = found.group("inv-gone"), found.group("inv-never-committed")
    begun = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    for time_of in (gone["last_commit"], gone["last_change"], never["last_change"]):
        assert begun < datetime.fromisoformat(time_of) <= datetime.now(UTC) + timedelta(seconds=1)
    assert never["last_commit"] is None


def test_connectors(found: Found) -> None:
    (connect,) = found.document["connect"]
    (connector,) = connect["connectors"]
    assert (connect["cluster"], connect["version"][:4]) == ("target", "3.9.")
    assert (connector["type"], connector["state"], connector["topics"]) == ("source", "RUNNING", ["heartbeats"])
    assert found.topic("heartbeats", "target")["writers"] == ["connector inv-beats"]
    for file in ("inventory.json", "inventory.html"):
        assert "planted-secret" not in (found.folder / file).read_text()


def test_the_listing_is_complete_and_says_what_is_left_out(found: Found) -> None:
    assert found.gaps() == {"statuses of clients": "failed"}
    assert (found.code, found.document["partial"]) == (3, True)
    assert found.document["clusters"]["source"]["authorizer"] is False
    assert found.document["clusters"]["source"]["kind"] == "Kafka"
    assert found.document["clusters"]["source"]["quotas"] == [
        {"entity": {"client-id": "inv-quota"}, "limits": {"producer_byte_rate": 1e6}}
    ]
    assert found.topic("inv-orders")["writers"] == ["shim billing"]
    assert "inv-orders" in (found.folder / "inventory.html").read_text()
    assert (found.folder / "inventory.html").stat().st_mode & 0o777 == 0o600
    assert "source: " in found.progress
    assert "Traceback" not in found.progress


def test_nothing_is_left_behind_or_changed(testbed: ProcessTestbed, files: Path) -> None:
    admin = Admin(testbed.source.client_config())
    admin.create_topics({"inv-same": 1})
    before = admin.partitions(), admin.end_offsets(["inv-same"])
    quiet = inventory(files, "--source", str(files / "source.properties"), "--sample", "0")
    assert (admin.partitions(), admin.end_offsets(["inv-same"])) == before
    assert (quiet.code, quiet.document["partial"]) == (0, False)
    assert quiet.gaps() == {"growth and commits": "skipped", "last commits of groups": "skipped"}
    assert quiet.group("inv-never-committed")["stale"] == "unknown"


def test_what_is_older_than_the_days_that_are_given_is_stale(found: Found, files: Path) -> None:
    source = str(files / "source.properties")
    again = inventory(files, "--source", source, "--sample", "0", "--group-history", "--stale-days", "0.00001")
    for name in ("inv-gone", "inv-never-committed"):
        assert again.group(name)["stale"] == "yes", again.group(name)
    assert again.topic("inv-orders")["stale"] == "yes", again.topic("inv-orders")


def test_statuses_of_clients_from_a_topic(testbed: ProcessTestbed, files: Path) -> None:
    admin = Admin(testbed.source.client_config())
    admin.create_topics({"inv-statuses": 1}, {"cleanup.policy": "compact"})
    status = {"instance": "i-2", "role": "consumer", "group": "g", "updated": time.time(), "closed": True}
    producer = Producer(testbed.source.client_config())
    producer.produce("inv-statuses", json.dumps(status), "i-2")
    assert producer.flush(30) == 0
    place = "kafka:inv-statuses"
    read = inventory(files, "--source", str(files / "source.properties"), "--sample", "0", "--statuses", place)
    assert [(each["instance"], each["ended"]) for each in read.document["clients"]] == [("i-2", True)]
