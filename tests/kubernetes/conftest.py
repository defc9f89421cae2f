"""The API server that all tests of Kubernetes in one pytest process share, and a namespace for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes import apiserver
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.shop import Shop


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/kubernetes" in item.path.as_posix():
            item.add_marker(pytest.mark.kubernetes)


def build_or_skip() -> None:
    """Skip without an API server; if the environment requires it, build it, or wait for another process that does."""
    if os.environ.get("CUTOVER_TEST_KUBERNETES") == "required":
        apiserver.build()
    if why := apiserver.missing():
        pytest.skip(why)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A running API server; a test that ends it starts it again."""
    build_or_skip()
    plane = ControlPlane(tmp_path_factory.mktemp("kubernetes"))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


@pytest.fixture
def shop(control_plane: ControlPlane, tmp_path: Path) -> Shop:
    return Shop(control_plane, tmp_path)
