"""ZooKeeper, which keeps the metadata of brokers before Kafka 3.3: one more process of the testbed."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from cutover_harness.admin import CLIENT_DEFAULTS
from cutover_harness.testbed import settings
from cutover_harness.testbed.base import TestbedError
from cutover_harness.testbed.nodes import READY_LIMIT_S, Broker
from cutover_harness.waits import wait_until

MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
FAREWELL = "ZooKeeper server has shut down"
JVM_OPTIONS = (
    # Its bean for log4j needs a class that reload4j lacks.
    "-Dzookeeper.jmx.log4j.disable=true",
    # KB: its log is laid out in pieces of 64 MB otherwise.
    "-Dzookeeper.preAllocSize=64",
)
# As long as no fault that freezes a broker ends its session: clients would learn that there is no broker, or no topic.
# A broker that was killed waits for it before it starts. Kafka's default was 6 s until 2.4, and is 18 s since.
_SESSION_MS = 12_000
_BROKER: Mapping[str, str] = {
    "zookeeper.session.timeout.ms": str(_SESSION_MS),
    "zookeeper.connection.timeout.ms": "30000",
}
_ANSWER_S = 2.0
_EXPIRES_S = 60.0
_TOPICS_S = 10.0
_POLL_S = 0.2


def write_server(file: Path, data: Path, port: int) -> None:
    """Write ZooKeeper's properties."""
    data.mkdir(parents=True, exist_ok=True)
    settings.write_properties(file, {**server(data=str(data), port=port), "clientPortAddress": "127.0.0.1"})


def server(*, data: str, port: int) -> dict[str, str]:
    """Return the properties of a single ZooKeeper that listens on all addresses."""
    return {
        "dataDir": data,
        "clientPort": str(port),
        "maxClientCnxns": "0",
        "tickTime": "500",
        "minSessionTimeout": "1000",
        "maxSessionTimeout": "60000",
        "admin.enableServer": "false",
        "4lw.commands.whitelist": "ruok,dump",
    }


def broker(address: str, node_id: int = 1) -> dict[str, str]:
    """Return the properties of a broker that keeps its metadata in the ZooKeeper at `address`, but for its listeners.

    Everything about the quorum is left out: Kafka 2.8 takes `process.roles` for its early KRaft.
    """
    rest = {key: value for key, value in settings.BROKER.items() if key not in settings.QUORUM}
    return {**rest, **_BROKER, "broker.id": str(node_id), "zookeeper.connect": address}


def write_broker(
    file: Path,
    data: Path,
    port: int,
    zookeeper_port: int,
    node_id: int = 1,
    more: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write the properties of a broker; it formats its data folder itself. `more`: properties that differ."""
    address = f"PLAINTEXT://127.0.0.1:{port}"
    listeners = {"listeners": address, "advertised.listeners": address, "log.dirs": str(data)}
    settings.write_properties(file, {**broker(f"127.0.0.1:{zookeeper_port}", node_id), **more, **listeners})


def serves(port: int) -> bool:
    """Return whether ZooKeeper answers that it is ready."""
    try:
        return _ask(port, b"ruok") == b"imok"
    except OSError:
        return False


def topics_of(folders: Iterable[str]) -> set[str]:
    """Return the topics of a broker by the names of its data folders."""
    found = (re.fullmatch(r"(.+)-\d+", name) for name in folders)
    return {match[1] for match in found if match is not None}


def await_topics(bootstrap: str, topics: set[str]) -> None:
    """Return when the broker serves these topics.

    After a start it registers, and answers, before its controller has told it of any topic: clients would find none.
    """
    client = AdminClient({**CLIENT_DEFAULTS, "bootstrap.servers": bootstrap})

    def served() -> set[str]:
        try:
            known = client.list_topics(timeout=_ANSWER_S).topics
        except KafkaException:
            return set()
        return {name for name, topic in known.items() if all(part.leader >= 0 for part in topic.partitions.values())}

    # A topic whose deletion was interrupted by the broker's end may still have a folder: that is no failure.
    wait_until(served, _TOPICS_S, done=topics.issubset)


class BrokerOnZooKeeper(Broker):
    """A broker that ZooKeeper refuses to register again until the session of its last start has ended."""

    def __init__(self, zookeeper_port: int, data: Path, *args: Any) -> None:
        super().__init__(*args)
        self._zookeeper_port = zookeeper_port
        self._data = data

    def launch(self) -> None:
        """Start it after ZooKeeper has dropped its last registration: at once after a shutdown, after a kill later."""
        await_unregistered(self._zookeeper_port, self.node_id)
        super().launch()

    def await_ready(self, limit: float = READY_LIMIT_S) -> None:
        """Return when it serves its topics. Raises TestbedError as the brokers of later versions do."""
        super().await_ready(limit)
        await_topics(self.bootstrap, topics_of(folder.name for folder in self._data.iterdir()))


def await_unregistered(port: int, node_id: int = 1) -> None:
    """Return when ZooKeeper has no registration of the broker. Raises TestbedError."""
    registration = f"/brokers/ids/{node_id}".encode()
    try:
        wait_until(
            lambda: registration not in _ask(port, b"dump").split(),
            _EXPIRES_S,
            backoff_s=_POLL_S,
            failure=lambda _: TestbedError(
                f"ZooKeeper keeps the registration of a broker that ended {_EXPIRES_S:.0f} s ago"
            ),
        )
    except OSError as why:
        raise TestbedError(f"ZooKeeper does not answer: {why}") from why


def _ask(port: int, command: bytes) -> bytes:
    """Send one of its four-letter commands and return the answer."""
    with socket.create_connection(("127.0.0.1", port), _ANSWER_S) as connection:
        connection.sendall(command)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        return answer
