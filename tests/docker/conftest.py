"""The container engine, the image and the docker testbed that all docker tests of one pytest process share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.testbed.docker import engine
from cutover_harness.testbed.docker.image import REPOSITORY, TAG, VERSION
from cutover_harness.testbed.docker.options import DockerOptions
from cutover_harness.testbed.docker.testbed import DockerTestbed

OLDEST = "2.8.2"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/docker" in item.path.as_posix():
            item.add_marker(pytest.mark.docker)


def absent(why: str) -> None:
    """Skip, or fail if the environment requires an engine."""
    if os.environ.get("CUTOVER_TEST_DOCKER") == "required":
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    try:
        found = engine.connect()
    except UsageError as why:
        absent(str(why))
    yield found
    found.close()


def present(client: Any, name: str, version: str = VERSION) -> str:
    """Return the name of an image that is here; skip, or fail, otherwise."""
    import docker

    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        absent(f"no image {name}: make one with `python -m cutover_harness.testbed.docker.image --kafka {version}`")
    return name


@pytest.fixture(scope="session")
def image(client: Any) -> str:
    """An image laid out as apache/kafka's: the one that is named, or the local one."""
    return present(client, os.environ.get("CUTOVER_TEST_IMAGE", TAG))


@pytest.fixture(scope="session")
def oldest_image(client: Any) -> str:
    """The local image of the oldest version of a source."""
    return present(client, f"{REPOSITORY}:{OLDEST}", OLDEST)


@pytest.fixture(scope="session")
def testbed(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerTestbed]:
    """A running testbed; tests choose names of topics and groups of their own, and leave every node running."""
    options = DockerOptions(source_image=image, target_image=image, netem_image=image)
    bed = DockerTestbed(tmp_path_factory.mktemp("docker"), options, target_ack_delay_ms=100)
    bed.start(print)
    try:
        yield bed
    finally:
        bed.stop()
