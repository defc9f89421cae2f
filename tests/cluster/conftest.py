"""The process testbed that all cluster tests of one pytest process share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_harness.testbed import ProcessTestbed
from cutover_harness.testbed.automq import AutomqOptions, AutomqTestbed

AUTOMQ_HOME = "CUTOVER_TEST_AUTOMQ_HOME"
"""A variable with the folder of an unpacked AutoMQ distribution: the target of the tests is then a broker from it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/cluster" in item.path.as_posix():
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessTestbed]:
    """A running testbed; tests choose names of topics and groups of their own, and leave every node running."""
    folder = tmp_path_factory.mktemp("testbed")
    home = os.environ.get(AUTOMQ_HOME)
    bed = AutomqTestbed(folder, AutomqOptions(Path(home))) if home else ProcessTestbed(folder)
    bed.start(print)
    try:
        yield bed
    finally:
        bed.stop()
