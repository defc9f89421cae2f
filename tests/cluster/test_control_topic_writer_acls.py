"""The rights that the docs give to the writer of a control topic are enough, and each of them is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import admin as typed_kafka
from cutover_harness.admin import Admin
from cutover_harness.channels.base import ChannelError
from cutover_harness.channels.names import TopicName
from cutover_harness.channels.topic import TopicWriter

from tests.cluster.test_control_topic_acls import PASSWORD, AuthorizingTestbed, Cluster

kafka: Any = typed_kafka  # its types leave these names out
Operation = kafka.AclOperation
TOPIC, MISSING = "writer-control", "writer-missing"
RIGHTS = (Operation.READ, Operation.WRITE, Operation.DESCRIBE_CONFIGS)


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthorizingTestbed]:
    with AuthorizingTestbed(tmp_path_factory.mktemp("writer"), PASSWORD) as bed:
        Admin(bed.target.client_config()).create_topics({TOPIC: 1}, {"cleanup.policy": "compact"})
        yield bed


@pytest.fixture
def cluster(bed: AuthorizingTestbed, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(bed, tmp_path)
    made.forbid_everything()
    yield made
    made.forbid_everything()


def write(cluster: Cluster, topic: str) -> str | None:
    """Write the next document with the rights of the user, and return what is there."""
    with closing(TopicWriter(TopicName(topic, "target"), {**cluster.mine, "log_level": "0"})) as writer:
        before = writer.read()
        generation = 1 if before is None else int(before.removeprefix("generation = ")) + 1
        writer.write(f"generation = {generation}\n", replaces=before)
        return writer.read()


def test_the_documented_rights_are_enough(cluster: Cluster) -> None:
    cluster.allow(*((TOPIC, right) for right in RIGHTS))
    first, second = write(cluster, TOPIC), write(cluster, TOPIC)
    assert first is not None
    assert second not in (None, first)


@pytest.mark.parametrize("missing", RIGHTS, ids=lambda right: right.name)
def test_without_one_of_them_the_writer_names_them_all_and_writes_nothing(cluster: Cluster, missing: Any) -> None:
    cluster.allow(*((TOPIC, right) for right in RIGHTS if right != missing))
    admin = Admin(cluster.all)
    before = admin.end_offsets([TOPIC])
    with pytest.raises(ChannelError, match=f"kafka:{TOPIC}@target: .*grant Read, Write, Describe and DescribeC") as why:
        write(cluster, TOPIC)
    assert why.value.final
    assert "\n" not in str(why.value)
    assert PASSWORD not in str(why.value)
    assert admin.end_offsets([TOPIC]) == before


def test_a_missing_topic_needs_the_right_to_create_it(cluster: Cluster) -> None:
    cluster.allow(*((MISSING, right) for right in RIGHTS))
    with pytest.raises(ChannelError, match=r"grant Read, Write, Describe and DescribeConfigs .* and Create if"):
        write(cluster, MISSING)
    cluster.allow((MISSING, Operation.CREATE))
    assert write(cluster, MISSING) == "generation = 1\n"
