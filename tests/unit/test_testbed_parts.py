"""Ports, properties and the readiness probe of the process testbed, without a broker."""

import os
import socket
import struct
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.testbed import TestbedError, members, probe, settings, versions, zookeeper
from cutover_harness.testbed.ports import FIRST, LAST, Ports
from cutover_harness.testbed.several import BrokerCluster


def test_ports_are_below_the_ephemeral_range_and_distinct() -> None:
    ports, others = Ports(), Ports()
    taken = [ports.take() for _ in range(50)] + [others.take() for _ in range(50)]
    assert len(set(taken)) == 100
    assert all(FIRST <= port <= LAST for port in taken)
    ports.release()
    others.release()


def test_a_port_that_listens_is_refused_by_name() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is in use"):
            Ports().take(port)


def test_a_port_stays_reserved_while_nothing_listens_and_until_its_process_is_gone() -> None:
    code = "from cutover_harness.testbed.ports import Ports; p = Ports(); print(p.take(), flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdin is not None
    port = int(other.stdout.readline())
    with pytest.raises(UsageError):
        Ports().take(port)
    other.kill()
    other.communicate()
    mine = Ports()
    assert mine.take(port) == port
    mine.release()


def test_properties_survive_javas_syntax(tmp_path: Path) -> None:
    file = tmp_path / "p"
    settings.write_properties(file, {"a": "x y", "b": "c:\\d=e#f!", "g": "line\nline", "h": "ü😀"})
    assert file.read_text(encoding="ascii").splitlines() == [
        "a=x\\ y",
        "b=c\\:\\\\d\\=e\\#f\\!",
        "g=line\\nline",
        "h=\\u00fc\\ud83d\\ude00",
    ]


@pytest.mark.parametrize(
    ("version", "on_zookeeper", "newer"),
    [("2.8.2", True, False), ("3.2", True, False), ("3.3.0", False, False), ("3.9.2", False, False),
     ("4.0.0", False, True), ("10.1", False, True)],
)  # fmt: skip
def test_how_a_version_is_run(version: str, on_zookeeper: bool, newer: bool) -> None:
    assert versions.on_zookeeper(version) is on_zookeeper
    assert versions.needs_format(version) is newer
    assert versions.logs_by_log4j2(version) is newer


def test_a_broker_on_zookeeper_knows_nothing_of_a_quorum(tmp_path: Path) -> None:
    zookeeper.write_broker(tmp_path / "p", tmp_path / "data", 20001, 20002)
    found = dict(line.split("=", 1) for line in (tmp_path / "p").read_text().splitlines())
    assert found["zookeeper.connect"] == "127.0.0.1\\:20002"
    assert not [name for name in found if name.startswith(("process.", "controller.", "node."))]
    assert found["offsets.topic.num.partitions"] == "1", "otherwise it is as other brokers"
    assert found["broker.id"] == "1"
    zookeeper.write_broker(tmp_path / "p", tmp_path / "data", 20001, 20002, 3, members.replication(3))
    found = dict(line.split("=", 1) for line in (tmp_path / "p").read_text().splitlines())
    assert (found["broker.id"], found["default.replication.factor"]) == ("3", "3")


def test_topics_by_the_data_folders_of_a_broker() -> None:
    names = [
        "orders-0",
        "orders-1",
        "a-b-12",
        "meta.properties",
        "__consumer_offsets-0",
        "gone-0.1f2e-delete",
        "cleaner",
    ]
    assert zookeeper.topics_of(names) == {"orders", "a-b", "__consumer_offsets"}


def zookeeper_saying(text: bytes) -> int:
    """Return the port of a ZooKeeper that answers every command with this text, once."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as connection:
            connection.recv(4)
            connection.sendall(text)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def test_zookeeper_serves_if_it_says_so() -> None:
    assert zookeeper.serves(zookeeper_saying(b"imok"))
    assert not zookeeper.serves(zookeeper_saying(b"This ZooKeeper instance is not currently serving requests\n"))


def test_a_registration_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zookeeper, "_EXPIRES_S", 0.0)
    zookeeper.await_unregistered(zookeeper_saying(b"Sessions with Ephemerals (0):\n"))
    with pytest.raises(TestbedError, match="ZooKeeper keeps the registration of a broker"):
        zookeeper.await_unregistered(zookeeper_saying(b"0x1:\n\t/controller\n\t/brokers/ids/1\n"))
    zookeeper.await_unregistered(zookeeper_saying(b"0x1:\n\t/controller\n\t/brokers/ids/12\n"))
    with pytest.raises(TestbedError, match="ZooKeeper does not answer"):
        zookeeper.await_unregistered(1)


def test_a_data_folder_is_formatted_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings.write_broker(tmp_path / "p", data, 20001, 20002)
    first = (data / "meta.properties").read_text()
    settings.write_broker(tmp_path / "p", data, 20003, 20004)
    assert (data / "meta.properties").read_text() == first
    cluster_id = next(line for line in first.splitlines() if line.startswith("cluster.id"))
    assert len(cluster_id.partition("=")[2]) == 22


def answering(*answers: bytes | None) -> int:
    """Serve one connection with these answers in turn, None closes it; returns the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as connection:
            for answer in answers:
                (length,) = struct.unpack(">i", connection.recv(4))
                connection.recv(length)
                if answer is None:
                    return
                connection.sendall(struct.pack(">i", len(answer)) + answer)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def test_the_probe_needs_answers_not_connections() -> None:
    versions, one_broker, no_broker = b"\0" * 10, struct.pack(">ii", 1, 1) + b"\0" * 20, struct.pack(">ii", 1, 0)
    assert probe.serves("127.0.0.1", answering(versions, one_broker))
    assert not probe.serves("127.0.0.1", answering(versions, no_broker))
    assert not probe.serves("127.0.0.1", answering(versions, None))
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        assert not probe.serves("127.0.0.1", silent.getsockname()[1], timeout=0.1)
    assert not probe.serves("127.0.0.1", 1)


def broker_in_metadata(node_id: int, rack: bytes | None = None) -> bytes:
    """Kafka protocol guide, Metadata version 1: node id, host, port, nullable rack."""
    end = struct.pack(">h", -1) if rack is None else struct.pack(">h", len(rack)) + rack
    return struct.pack(">ih", node_id, 9) + b"127.0.0.1" + struct.pack(">i", 20001) + end


def test_one_broker_of_several_serves_once_it_knows_itself() -> None:
    versions = b"\0" * 10
    first, second, third = broker_in_metadata(1, b"a rack"), broker_in_metadata(2), broker_in_metadata(3)
    others = struct.pack(">ii", 1, 2) + first + third
    everyone = struct.pack(">ii", 1, 3) + first + third + second
    assert probe.serves("127.0.0.1", answering(versions, others))
    assert not probe.serves("127.0.0.1", answering(versions, others), node_id=2)
    assert probe.serves("127.0.0.1", answering(versions, everyone), node_id=2)
    assert probe.listens("127.0.0.1", answering(versions))
    assert not probe.listens("127.0.0.1", answering(None))


@pytest.mark.parametrize(("brokers", "copies", "least"), [(2, "2", "1"), (3, "3", "2"), (5, "3", "2")])
def test_replication_is_as_in_production_if_there_are_brokers_for_it(brokers: int, copies: str, least: str) -> None:
    found = members.member(2, brokers, Path("/data"), (20001, 20002), 20003)
    replicas = [name for name in found if name.endswith("replication.factor")]
    assert len(replicas) == 3
    assert {found[name] for name in replicas} == {copies}
    assert found["min.insync.replicas"] == found["transaction.state.log.min.isr"] == least
    assert (found["process.roles"], found["node.id"]) == ("broker", "2")
    controller = members.controller(Path("/data"), 20003, brokers)
    assert controller["controller.quorum.voters"] == found["controller.quorum.voters"]
    assert {controller[name] for name in replicas} == {copies}, "it chooses the replicas of new topics"
    assert set(members.connect_replication(brokers).values()) == {copies}


def test_one_broker_is_as_it_was() -> None:
    assert members.connect_replication(1) == {}
    assert {settings.BROKER[name] for name in members.replication(3) if name in settings.BROKER} == {"1"}


def test_clients_reach_a_broker_through_its_proxy_and_brokers_each_other_directly() -> None:
    found = members.member(1, 3, Path("/data"), (20001, 20002), 20003, 20004)
    assert found["listeners"] == "PLAINTEXT://127.0.0.1:20001,REPLICATION://127.0.0.1:20002"
    assert found["advertised.listeners"] == "PLAINTEXT://127.0.0.1:20004,REPLICATION://127.0.0.1:20002"


def test_nodes_of_a_cluster_have_one_cluster_id(tmp_path: Path) -> None:
    for number in (1, 2):
        settings.write_identity(tmp_path / str(number), "A" * 22, number)
    found = [(tmp_path / str(number) / "meta.properties").read_text() for number in (1, 2)]
    assert all(f"cluster.id={'A' * 22}" in text for text in found)
    assert "node.id=2" in found[1]


class Member:
    """One broker of a cluster, which remembers what was done to it."""

    def __init__(self, node_id: int, *, said: str | None = None) -> None:
        self.node_id, self.said = node_id, said
        self.bootstrap = f"127.0.0.1:{node_id}"
        self.did: list[str] = []
        self.pid = self.running = None

    def __getattr__(self, name: str) -> Any:
        def does() -> str | None:
            self.did.append(name)
            return self.said if name == "stop" else None

        return does


def test_what_is_done_to_a_cluster_is_done_to_all_its_brokers() -> None:
    brokers: Any = [Member(1), Member(2, said="was killed"), Member(3)]
    keeper: Any = Member(100)
    cluster = BrokerCluster("source", "3.9.2", brokers, keeper)
    assert cluster.bootstrap == "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3"
    cluster.freeze()
    cluster.thaw()
    cluster.kill()
    assert cluster.stop() == "broker 2 was killed"
    cluster.restart()
    does = ["freeze", "thaw", "kill", "terminate", "stop", "terminate", "stop", "launch", "await_ready"]
    assert [broker.did for broker in brokers] == [does] * 3
    assert keeper.did == [], "no fault touches what keeps the metadata"
    assert cluster.keepers == (keeper,)


def test_environment_of_a_jvm(monkeypatch: pytest.MonkeyPatch) -> None:
    from cutover_harness.testbed.jvm import environment

    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dx=y")
    monkeypatch.setenv("CLASSPATH", "/elsewhere")
    monkeypatch.setenv("PASSWORD", "secret")
    assert set(environment()) <= {"PATH", "HOME", "LANG", "LC_ALL", "TZ"}
    assert environment()["PATH"] == os.environ["PATH"]
