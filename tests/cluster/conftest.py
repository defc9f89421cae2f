"""The process testbed that all cluster tests of one pytest process share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed
from cutover_harness.testbed.automq import AutomqOptions, AutomqTestbed

from tests.cluster.automq_layout import AUTOMQ_HOME
from tests.cluster.shop.secured_shop import PASSWORD, PASSWORD_VARIABLE, ShopTestbed, secured_shop
from tests.cluster.shop.shop import Shop


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


_TOPICS = pytest.StashKey[list[set[str]]]()
_OTHERS = ("__", "mm2-")


@pytest.fixture(scope="session")
def admins(testbed: ProcessTestbed) -> list[Admin]:
    """One client of each cluster of the testbed, for all tests."""
    return [Admin(cluster.client_config()) for cluster in (testbed.source, testbed.target)]


@pytest.fixture(autouse=True)
def without_topics_of_a_failed_try(request: pytest.FixtureRequest) -> None:
    """A test that is run once more finds the topics of its first beginning, else it would fail for those of its own."""
    if "testbed" not in request.fixturenames:
        return
    admins: list[Admin] = request.getfixturevalue("admins")
    now = [{topic for topic in admin.partitions() if not topic.startswith(_OTHERS)} for admin in admins]
    for admin, topics, before in zip(admins, now, request.node.stash.setdefault(_TOPICS, now), strict=True):
        if left := sorted(topics - before):
            admin.delete_topics(left)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Clusters with logins and ACLs, and the files of the users' clients."""
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    with secured_shop(tmp_path, PASSWORD) as made:
        yield made


@pytest.fixture
def bed(shop: Shop) -> ShopTestbed:
    """The clusters of the shop."""
    assert isinstance(shop.bed, ShopTestbed)
    return shop.bed
