"""The process testbed that all cluster tests of one pytest process share."""

from collections.abc import Iterator

import pytest
from cutover_harness.testbed import ProcessTestbed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/cluster" in item.path.as_posix():
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessTestbed]:
    """A running testbed; tests choose names of topics and groups of their own, and leave every node running."""
    bed = ProcessTestbed(tmp_path_factory.mktemp("testbed"))
    bed.start(print)
    try:
        yield bed
    finally:
        bed.stop()
