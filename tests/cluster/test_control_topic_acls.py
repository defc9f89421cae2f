"""The rights that the docs give for a control topic are enough, and each of them is needed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer as RawProducer
from confluent_kafka import admin as typed_kafka
from cutover_harness.admin import Admin
from cutover_shim import CutoverFileError, Producer, signature

from tests.cluster.secured import USER, SecuredTestbed
from tests.waiting import wait_until

kafka: Any = typed_kafka  # its types leave these names out
PASSWORD = "correct-horse-9f41"
CONTROL, ORDERS, STATUSES = "acl-control", "acl-orders", "acl-statuses"


class AuthorizingTestbed(SecuredTestbed):
    """On the target the user of the secured listener may do what ACLs allow, and the plain listener everything."""

    def _security(self, known: dict[str, str]) -> dict[str, str]:
        return super()._security(known) | {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }


class Cluster:
    """The cluster, a user with no rights, and a document that points at it as the source."""

    def __init__(self, bed: AuthorizingTestbed, folder: Path) -> None:
        self.all = bed.target.client_config()
        self.key = secrets.token_hex(32)
        self.folder = folder
        self.admin = kafka.AdminClient({**self.all})
        self.mine = {
            "bootstrap.servers": bed.secured,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(bed.ca),
            "sasl.mechanism": "PLAIN",
            "sasl.username": USER,
            "sasl.password": PASSWORD,
        }
        self.source = {**bed.source.client_config(), "security.protocol": "PLAINTEXT"}
        (folder / "key").write_text(self.key)

    def allow(self, *rights: tuple[str, kafka.AclOperation]) -> None:
        bindings = [self._binding(topic, operation) for topic, operation in rights]
        for future in self.admin.create_acls(bindings).values():
            future.result(30)

    def _binding(self, topic: str, operation: kafka.AclOperation) -> kafka.AclBinding:
        pattern, allow = kafka.ResourcePatternType.LITERAL, kafka.AclPermissionType.ALLOW
        return kafka.AclBinding(kafka.ResourceType.TOPIC, topic, pattern, f"User:{USER}", "*", operation, allow)

    def forbid_everything(self) -> None:
        kind, pattern = kafka.ResourceType.ANY, kafka.ResourcePatternType.ANY
        operation, permission = kafka.AclOperation.ANY, kafka.AclPermissionType.ANY
        anything = kafka.AclBindingFilter(kind, None, pattern, None, None, operation, permission)
        for future in self.admin.delete_acls([anything]).values():
            future.result(30)

    def publish(self, generation: int) -> None:
        def table(name: str, conf: dict[str, str]) -> str:
            lines = "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in conf.items())
            return f"[clusters.{name}]\n{lines}"

        body = (
            f"generation = {generation}\n{table('source', self.mine)}{table('target', self.source)}[routes.r]\n"
            f'topics = ["{ORDERS}"]\ngroups = []\nproducers = "source"\nconsumers = "source"\n'
        )
        producer = RawProducer({**self.all})
        producer.produce(CONTROL, signature.sign(body.encode(), self.key.encode()), b"cutover")
        assert producer.flush(30) == 0

    def producer(self, **more: Any) -> Producer:
        key = f"${{file:{self.folder / 'key'}}}"
        conf = {"cutover.channel": f"kafka:{CONTROL}", "cutover.key": key, "cutover.status": str(self.folder)}
        return Producer({**self.mine, **conf, "cutover.instance": "p", "log_level": 0, **more})


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthorizingTestbed]:
    with AuthorizingTestbed(tmp_path_factory.mktemp("acls"), PASSWORD) as bed:
        admin = Admin(bed.target.client_config())
        admin.create_topics({CONTROL: 1, STATUSES: 1}, {"cleanup.policy": "compact"})
        admin.create_topics({ORDERS: 1})
        yield bed


@pytest.fixture
def cluster(bed: AuthorizingTestbed, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(bed, tmp_path)
    made.forbid_everything()
    yield made
    made.forbid_everything()


def test_reading_the_topic_is_the_only_right_that_a_client_needs_for_it(cluster: Cluster) -> None:
    cluster.publish(1)
    with pytest.raises(CutoverFileError, match="or READ on it is not granted"):
        cluster.producer()
    cluster.allow((CONTROL, kafka.AclOperation.READ))
    producer = cluster.producer()
    cluster.publish(2)
    wait_until(lambda: json.loads((cluster.folder / "p.json").read_text())["seen_generation"] == 2)
    producer.close()


def test_an_application_cannot_write_what_it_may_only_read(cluster: Cluster) -> None:
    cluster.allow((CONTROL, kafka.AclOperation.READ))
    refused: list[Any] = []
    producer = RawProducer({**cluster.mine})
    producer.produce(CONTROL, b"x", b"cutover", on_delivery=lambda error, _m: refused.append(error and error.name()))
    producer.flush(30)
    assert refused == ["TOPIC_AUTHORIZATION_FAILED"]


def test_statuses_need_the_right_to_write_their_topic(cluster: Cluster) -> None:
    cluster.publish(1)
    cluster.allow((CONTROL, kafka.AclOperation.READ), (STATUSES, kafka.AclOperation.WRITE))

    def end() -> int:
        return sum(Admin(cluster.all).end_offsets([STATUSES]).values())

    before = end()
    producer = cluster.producer(**{"cutover.status": f"kafka:{STATUSES}"})
    wait_until(lambda: end() > before)
    producer.close()


def test_a_right_that_is_taken_away_stops_nothing(cluster: Cluster) -> None:
    cluster.publish(1)
    cluster.allow((CONTROL, kafka.AclOperation.READ), (ORDERS, kafka.AclOperation.WRITE))
    producer = cluster.producer()
    cluster.forbid_everything()
    cluster.allow((ORDERS, kafka.AclOperation.WRITE))
    wait_until(lambda: "not granted" in (cluster.folder / "p.json").read_text())
    delivered: list[Any] = []
    producer.produce(ORDERS, b"x", on_delivery=lambda error, _m: delivered.append(error))
    assert producer.flush(30) == 0
    assert delivered == [None]
    producer.close()
