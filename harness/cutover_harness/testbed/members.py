"""Properties of the nodes of a cluster of several brokers: replication as in production, one controller apart.

The controller is a process of its own, which no fault touches, like ZooKeeper. So any broker, or all of them, can fail
and come back, and a quorum's elections on a busy machine are no part of what is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cutover_harness.testbed import settings

CONTROLLER_ID = 100
_MOST_REPLICAS = 3


def replicas(brokers: int) -> int:
    """Return the replicas of each topic, as a production cluster has them if it can."""
    return min(_MOST_REPLICAS, brokers)


def in_sync(brokers: int) -> int:
    """Return `min.insync.replicas` of topics without their own: one replica may be away."""
    return max(1, replicas(brokers) - 1)


def replication(brokers: int) -> Mapping[str, str]:
    """Return the properties in which a broker of several differs from one that is alone."""
    copies, least = str(replicas(brokers)), str(in_sync(brokers))
    return {
        "default.replication.factor": copies,
        "min.insync.replicas": least,
        # Groups and transactions have their coordinators on different brokers.
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": str(brokers),
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.num.partitions": str(brokers),
        "transaction.state.log.min.isr": least,
    }


def connect_replication(brokers: int) -> Mapping[str, str]:
    """Return the properties of a Connect worker that keeps its state on a cluster of so many brokers."""
    kinds = ("config", "offset", "status") if brokers > 1 else ()
    return {f"{kind}.storage.replication.factor": str(replicas(brokers)) for kind in kinds}


def member(
    node_id: int, brokers: int, data: Path, ports: tuple[int, int], controller_port: int, proxy_port: int | None = None
) -> dict[str, str]:
    """Return the properties of one broker of several.

    `ports` are those of its listeners for clients and for the other brokers; `proxy_port` is where clients reach the
    first one through a proxy.
    """
    clients, others = ports
    return {
        **settings.BROKER,
        **replication(brokers),
        "process.roles": "broker",
        "node.id": str(node_id),
        "listeners": f"PLAINTEXT://127.0.0.1:{clients},REPLICATION://127.0.0.1:{others}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy_port or clients},REPLICATION://127.0.0.1:{others}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,REPLICATION:PLAINTEXT",
        "inter.broker.listener.name": "REPLICATION",
        **_quorum(data, controller_port),
    }


def controller(data: Path, port: int, brokers: int) -> dict[str, str]:
    """Return the properties of the controller, which also decides about the replicas of topics."""
    properties = {
        **settings.BROKER,
        **replication(brokers),
        "process.roles": "controller",
        "node.id": str(CONTROLLER_ID),
        "listeners": settings.controller(port),
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        **_quorum(data, port),
    }
    del properties["inter.broker.listener.name"]  # of a listener that it does not have
    return properties


def _quorum(data: Path, controller_port: int) -> dict[str, str]:
    return {
        "controller.quorum.voters": f"{CONTROLLER_ID}@127.0.0.1:{controller_port}",
        "log.dirs": str(data),
    }
