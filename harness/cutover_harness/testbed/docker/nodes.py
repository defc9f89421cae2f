"""Containers described: images, commands, files, environment and ports of each node. Pure, so it needs no engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cutover_harness.testbed import settings
from cutover_harness.testbed.base import ClusterName
from cutover_harness.testbed.s3 import S3Store
from cutover_harness.testbed.timing import TIMINGS

INTERNAL, CONTROLLER, HOST, REST = 9092, 9093, 9094, 8083
"""Ports inside: of other containers, of the controller, of the host's clients, of Connect's REST interface."""
S3_PORT = 9000
KAFKA_HOME, AUTOMQ_HOME = "/opt/kafka", "/opt/automq/kafka"
DATA = "/tmp/kafka-data"  # noqa: S108 - inside the container, where every image's user may write
SERVER_FILE, CONNECT_FILE = "/tmp/server.properties", "/tmp/connect.properties"  # noqa: S108 - likewise
KAFKA_MEMORY, AUTOMQ_MEMORY = "1g", "3g"

# As the process testbed runs them: short-lived, few cores.
_KAFKA_JVM = {
    "KAFKA_HEAP_OPTS": "-Xms64m -Xmx256m",
    "KAFKA_JVM_PERFORMANCE_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError",
}
# AutoMQ's own single-node set-up; KAFKA_OPTS is left alone.
_AUTOMQ_JVM = {"KAFKA_HEAP_OPTS": "-Xms1g -Xmx1g -XX:MetaspaceSize=96m -XX:MaxDirectMemorySize=1G"}
# Images laid out as apache/kafka or as automqinc/automq. The start scripts that images bring configure a broker from
# variables, each its own way; this way is the same for all.
_BIN = f"B={KAFKA_HOME}/bin; if [ -d {AUTOMQ_HOME}/bin ]; then B={AUTOMQ_HOME}/bin; fi"


@dataclass(frozen=True)
class Node:
    """One container: `files` by their path inside, `ports` from inside to 127.0.0.1. `env` may hold secrets."""

    alias: str
    label: str
    image: str
    command: tuple[str, ...]
    memory: str
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: Mapping[int, int] = field(default_factory=dict)
    stop_grace_s: int = 10


@dataclass(frozen=True)
class Store:
    """AutoMQ's S3 store as its container sees it, and the buckets for data and for operations."""

    s3: S3Store
    data: str
    ops: str


def broker(
    name: ClusterName, image: str, published: int, advertised: int, memory: str | None, store: Store | None = None
) -> Node:
    """Return a broker that is its own controller. `store` makes it AutoMQ.

    `published` is its port on 127.0.0.1, `advertised` the one that clients are told, which may be a proxy's.
    """
    alias = f"kafka-{name}"
    properties = {
        **(settings.BROKER if store is None else settings.NODE),
        "listeners": f"INTERNAL://:{INTERNAL},CONTROLLER://:{CONTROLLER},HOST://:{HOST}",
        "advertised.listeners": f"INTERNAL://{alias}:{INTERNAL},HOST://127.0.0.1:{advertised}",
        "listener.security.protocol.map": "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,HOST:PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
        "controller.quorum.voters": f"1@{alias}:{CONTROLLER}",
        "log.dirs": DATA,
        **({} if store is None else _elastic(store)),
    }
    # Data outlives the process, as it is in the container's own layer: a broker that is started again is not formatted.
    form = f"$B/kafka-storage.sh format --ignore-formatted -t {settings.random_id()} -c {SERVER_FILE}"
    run = f"exec $B/kafka-server-start.sh {SERVER_FILE}"
    return Node(
        alias=alias,
        label=f"{name} broker",
        image=image,
        command=("bash", "-c", f"{_BIN}; {{ [ -f {DATA}/meta.properties ] || {form}; }} && {run}"),
        memory=memory or (KAFKA_MEMORY if store is None else AUTOMQ_MEMORY),
        files={SERVER_FILE: settings.properties_text(properties)},
        env=_KAFKA_JVM if store is None else {**_AUTOMQ_JVM, **_credentials(store.s3)},
        ports={HOST: published},
        stop_grace_s=10 if store is None else round(TIMINGS["AutoMQ"].stop_grace_s),
    )


def connect(alias: str, image: str, home: Node, published: int, memory: str | None, *, exactly_once: bool) -> Node:
    """Return a distributed Connect worker that keeps its state on the cluster `home`."""
    properties = {
        **settings.CONNECT,
        "bootstrap.servers": internal_address(home),
        "listeners": f"http://0.0.0.0:{REST}",
        "rest.advertised.host.name": alias,
        "rest.advertised.port": str(REST),
        "exactly.once.source.support": "enabled" if exactly_once else "disabled",
    }
    return Node(
        alias=alias,
        label="Connect worker",
        image=image,
        command=("bash", "-c", f"{_BIN}; exec $B/connect-distributed.sh {CONNECT_FILE}"),
        memory=memory or KAFKA_MEMORY,
        files={CONNECT_FILE: settings.properties_text(properties)},
        env=_KAFKA_JVM,
        ports={REST: published},
    )


def s3_store(image: str, access_key: str, secret_key: str, published: int, memory: str | None) -> Node:
    """Return an S3 store of MinIO's command line and variables, as AutoMQ's own set-up has it."""
    return Node(
        alias="s3",
        label="S3 store",
        image=image,
        command=("server", "/data"),
        memory=memory or KAFKA_MEMORY,
        env={"MINIO_ROOT_USER": access_key, "MINIO_ROOT_PASSWORD": secret_key},
        ports={S3_PORT: published},
    )


def internal_address(node: Node) -> str:
    """Return a broker's address for other containers."""
    return f"{node.alias}:{INTERNAL}"


def _elastic(store: Store) -> dict[str, str]:
    """Return what AutoMQ needs beyond Kafka's properties (its documented single-node configuration)."""
    where = f"region={store.s3.region}&endpoint={store.s3.endpoint}&pathStyle=true"
    return {
        "elasticstream.enable": "true",
        "s3.data.buckets": f"0@s3://{store.data}?{where}",
        "s3.ops.buckets": f"1@s3://{store.ops}?{where}",
        "s3.wal.path": f"0@s3://{store.data}?{where}",
    }


def _credentials(s3: S3Store) -> dict[str, str]:
    return {"KAFKA_S3_ACCESS_KEY": s3.access_key, "KAFKA_S3_SECRET_KEY": s3.secret_key}
