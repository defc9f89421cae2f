"""Sources of other versions in containers: with ZooKeeper, and refused if the image is not what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.mirror import Batch, Mirror, MirrorSpec
from cutover_harness.mirror.client_properties import seen_by_connect
from cutover_harness.testbed import TestbedError
from cutover_harness.testbed.docker import engine
from cutover_harness.testbed.docker.options import DockerOptions
from cutover_harness.testbed.docker.testbed import DockerTestbed

from tests.waiting import eventually


@pytest.fixture(scope="module")
def options(oldest_image: str, image: str) -> DockerOptions:
    """The oldest source; target and Connect are from the image of all tests."""
    return DockerOptions(
        source_image=oldest_image,
        source_version=oldest_image.rpartition(":")[2],
        target_image=image,
        connect_image=image,
        netem_image=image,
    )


@pytest.fixture(scope="module")
def bed(options: DockerOptions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerTestbed]:
    with DockerTestbed(tmp_path_factory.mktemp("old"), options) as running:
        yield running


def test_a_source_with_zookeeper_is_mirrored_killed_and_frozen(bed: DockerTestbed, client: Any) -> None:
    assert bed.source.version == "2.8.2"
    assert "Apache Kafka 2.8.2 with ZooKeeper" in bed.describe()["source"]
    names = [name for name, _ in engine.ours(client, engine.of_run(bed.run))]
    assert f"container {engine.PREFIX}-{bed.run}-zookeeper" in names
    config = bed.source.client_config()
    admin, producer = Admin(config), Producer(config)
    admin.create_topics({"kept": 1})
    producer.produce("kept", b"x")
    assert producer.flush(20) == 0
    spec = MirrorSpec(
        Batch("kept", ("kept",), ()),
        bed.connect_url,
        seen_by_connect(config, bed.source.connect_bootstrap),
        seen_by_connect(bed.target.client_config(), bed.target.connect_bootstrap),
    )
    with Mirror(spec) as mirror:
        mirror.create()
        assert eventually(lambda: mirror.drained()[0], 90), mirror.drained()
        bed.source.kill()
        bed.source.restart()
        assert admin.end_offsets(["kept"]) == {("kept", 0): 1}
        bed.source.freeze()
        bed.source.thaw()
        producer.produce("kept", b"y")
        assert producer.flush(60) == 0
        assert eventually(lambda: mirror.drained()[0], 90), mirror.drained()
        mirror.delete()


def test_an_image_of_another_version_is_refused(
    options: DockerOptions, image: str, client: Any, tmp_path: Path
) -> None:
    other = DockerTestbed(tmp_path, replace(options, source_image=image, source_version="3.4.1"))
    with pytest.raises(TestbedError, match=r"--source-version 3\.4\.1: image .* contains Kafka 3\.9\.2: name an image"):
        other.start()
    assert engine.ours(client, engine.of_run(other.run)) == []
