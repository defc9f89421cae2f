"""The contract on librdkafka's mock cluster: the raw client, the shim without a file, and the shim with one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import cutover_shim
import pytest

from .bodies import *  # noqa: F403
from .bodies import Client


@pytest.fixture(scope="module")
def mock() -> Iterator[confluent_kafka.Producer]:
    owner = confluent_kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    yield owner
    owner.close()


def file_for(folder: Path, bootstrap: str, place: str) -> Path:
    path = folder / "cutover.toml"
    clusters = "".join(f'[clusters.{c}]\n"bootstrap.servers" = "{bootstrap}"\n' for c in ("source", "target"))
    path.write_text(
        f'generation = 1\n{clusters}[routes.all]\ntopics = ["*"]\ngroups = ["*"]\n'
        f'producers = "{place}"\nconsumers = "{place}"\n'
    )
    return path


@pytest.fixture(params=["raw", "shim without a file", "shim at target"])
def client(request: pytest.FixtureRequest, mock: confluent_kafka.Producer, tmp_path: Path) -> Client:
    brokers = mock.list_topics(timeout=10).brokers.values()
    bootstrap = ",".join(f"{b.host}:{b.port}" for b in brokers)
    conf: dict[str, Any] = {"bootstrap.servers": bootstrap, "log_level": 0}
    kind: Any = confluent_kafka if request.param == "raw" else cutover_shim
    if " at " in request.param:
        conf["cutover.file"] = str(file_for(tmp_path, bootstrap, request.param.split()[-1]))

    def consumer(given: dict[str, Any]) -> Any:
        # The mock cluster's classic groups wait three seconds for members; those of KIP-848 are complete immediately.
        return kind.Consumer({"group.protocol": "consumer", **given} if "group.id" in given else given)

    return Client(kind.Producer, consumer, conf, lambda topic, _: mock.list_topics(topic, timeout=10), 4)
