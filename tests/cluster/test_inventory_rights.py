"""An inventory by a principal that lacks rights: each missing one is named, and nothing hidden passes for missing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import admin as typed_kafka
from cutover_harness.admin import Admin

from tests.cluster.secured import USER
from tests.cluster.test_control_topic_acls import PASSWORD, AuthorizingTestbed, Cluster
from tests.cluster.test_inventory import PROGRAM

kafka: Any = typed_kafka  # its types leave these names out
SEEN, SECRET, GROUP = "rights-seen", "rights-secret", "rights-group"
Topic, Group, Broker = (kafka.ResourceType.TOPIC, kafka.ResourceType.GROUP, kafka.ResourceType.BROKER)
Operation = kafka.AclOperation


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthorizingTestbed]:
    with AuthorizingTestbed(tmp_path_factory.mktemp("rights"), PASSWORD) as bed:
        everyone = bed.target.client_config()
        Admin(everyone).create_topics({SEEN: 1, SECRET: 1})
        producer = Producer({**everyone, "enable.idempotence": True})
        for topic in (SEEN, SECRET):
            producer.produce(topic, b"x")
        assert producer.flush(30) == 0
        consumer = Consumer({**everyone, "group.id": GROUP, "auto.offset.reset": "earliest"})
        consumer.subscribe([SEEN, SECRET])
        seen = 0
        while seen < 2:
            message = consumer.poll(30)
            assert message is not None
            seen += message.error() is None
        consumer.commit(asynchronous=False)
        consumer.close()
        yield bed


@pytest.fixture
def cluster(bed: AuthorizingTestbed, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(bed, tmp_path)
    made.forbid_everything()
    yield made
    made.forbid_everything()


def allow(cluster: Cluster, *rights: tuple[Any, str, Any]) -> None:
    pattern, permission = kafka.ResourcePatternType.LITERAL, kafka.AclPermissionType.ALLOW
    bindings = [
        kafka.AclBinding(kind, name, pattern, f"User:{USER}", "*", operation, permission)
        for kind, name, operation in rights
    ]
    for future in cluster.admin.create_acls(bindings).values():
        future.result(30)


def inventory(cluster: Cluster) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return the exit code, the source's listing, and the kind of each gap."""
    file = cluster.folder / "cluster.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in cluster.mine.items()))
    out = cluster.folder / "inventory.json"
    command = [*PROGRAM, "--source", str(file), "--sample", "0.1", "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    print(done.stdout, done.stderr)
    assert PASSWORD not in done.stdout + done.stderr + out.read_text()
    assert "Traceback" not in done.stderr
    document = json.loads(out.read_text())
    assert document["partial"] is (done.returncode == 3)
    return done.returncode, document["clusters"]["source"], {gap["what"]: gap["kind"] for gap in document["gaps"]}


def test_a_principal_without_any_right_sees_nothing_and_is_told_so(cluster: Cluster) -> None:
    code, source, gaps = inventory(cluster)
    assert code == 3
    assert (source["topics"], source["groups"], source["acls"]) == ([], [], None)
    assert gaps == {
        "ACLs": "forbidden",
        "sizes of topics": "forbidden",
        "configuration of brokers": "forbidden",
        "quotas": "forbidden",
        "topics that are not shown": "unknown",
        "groups that are not shown": "forbidden",
    }


def test_rights_on_one_topic_do_not_make_a_listing_complete(cluster: Cluster) -> None:
    allow(cluster, (Topic, SEEN, Operation.DESCRIBE), (Group, GROUP, Operation.DESCRIBE))
    code, source, gaps = inventory(cluster)
    assert code == 3
    (topic,), (group,) = source["topics"], source["groups"]
    assert (topic["name"], topic["records"], topic["config"], topic["bytes"]) == (SEEN, 1, None, None)
    assert topic["producers"] is None
    assert [each["topic"] for each in group["topics"]] == [SEEN]
    assert gaps["configurations of topics"] == gaps["producers of topics"] == "forbidden"
    assert gaps["topics that are not shown"] == "unknown"


def test_with_describe_on_the_cluster_hidden_topics_are_named(cluster: Cluster) -> None:
    whole = (Broker, "kafka-cluster", Operation.DESCRIBE)
    allow(cluster, whole, (Broker, "kafka-cluster", Operation.DESCRIBE_CONFIGS))
    allow(cluster, (Topic, SEEN, Operation.READ), (Topic, SEEN, Operation.DESCRIBE_CONFIGS))
    code, source, gaps = inventory(cluster)
    assert code == 3
    assert [topic["name"] for topic in source["topics"]] == [SEEN]
    assert source["topics"][0]["bytes"] > 0
    assert len(source["topics"][0]["producers"]) == 1
    assert {acl["principal"] for acl in source["acls"]} == {f"User:{USER}"}
    assert gaps["hidden topics"] == "forbidden"
    assert "topics that are not shown" not in gaps
    assert "groups that are not shown" not in gaps


def test_with_all_rights_the_listing_is_complete(cluster: Cluster) -> None:
    for operation in (Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS):
        allow(cluster, (Broker, "kafka-cluster", operation))
    for operation in (Operation.READ, Operation.DESCRIBE_CONFIGS):
        allow(cluster, (Topic, "*", operation))
    allow(cluster, (Group, "*", Operation.DESCRIBE))
    code, source, gaps = inventory(cluster)
    assert (code, gaps) == (0, {"last commits of groups": "skipped"})
    assert {topic["name"] for topic in source["topics"]} >= {SEEN, SECRET}
    assert source["authorizer"] is True
