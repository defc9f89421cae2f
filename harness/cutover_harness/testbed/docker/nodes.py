"""Images, commands, files, environment and ports of the containers; no engine is needed to describe them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cutover_harness.testbed import connect_secrets, settings, zookeeper
from cutover_harness.testbed.s3 import S3Store
from cutover_harness.testbed.timing import TIMINGS
from cutover_harness.types import ClusterName

INTERNAL, CONTROLLER, HOST, REST = 9092, 9093, 9094, 8083
"""Ports inside: of other containers, of the controller, of the host's clients, of Connect's REST interface."""
S3_PORT = 9000
KAFKA_HOME, AUTOMQ_HOME, BITNAMI_HOME = "/opt/kafka", "/opt/automq/kafka", "/opt/bitnami/kafka"
LIBRARIES = (f"{KAFKA_HOME}/libs", f"{BITNAMI_HOME}/libs", "/usr/share/java/kafka")
"""Folders of Kafka's jars in the layouts of images."""
ZOOKEEPER_PORT = 2181
DATA = "/tmp/kafka-data"  # noqa: S108 - inside the container, where every image's user may write
SERVER_FILE, CONNECT_FILE = "/tmp/server.properties", "/tmp/connect.properties"  # noqa: S108 - likewise
ZOOKEEPER_FILE, ZOOKEEPER_DATA = "/tmp/zookeeper.properties", "/tmp/zookeeper-data"  # noqa: S108 - likewise
LOGS = "/tmp/kafka-logs"  # noqa: S108 - likewise
KAFKA_MEMORY, AUTOMQ_MEMORY = "1g", "3g"

# As on the process testbed: short-lived, few cores.
_KAFKA_JVM = {
    "KAFKA_HEAP_OPTS": "-Xms64m -Xmx256m",
    "KAFKA_JVM_PERFORMANCE_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError",
}
# AutoMQ's own single-node set-up; KAFKA_OPTS is left alone.
_AUTOMQ_JVM = {"KAFKA_HEAP_OPTS": "-Xms1g -Xmx1g -XX:MetaspaceSize=96m -XX:MaxDirectMemorySize=1G"}
# Images laid out as automqinc/automq, apache/kafka, bitnami/kafka, or confluentinc/cp-kafka, whose scripts have no
# suffix. The start scripts of images configure a broker from variables, each in its own way; this way is the same for
# all.
_BIN = (
    f"B=/usr/bin; S=; for D in {AUTOMQ_HOME} {KAFKA_HOME} {BITNAMI_HOME}; do "
    "if [ -d $D/bin ]; then B=$D/bin; S=.sh; break; fi; done"
)


@dataclass(frozen=True)
class Node:
    """One container: `files` by their path inside, `ports` from inside to 127.0.0.1. `env` may hold secrets.

    `secrets` is a folder of this machine that the container reads at the same path; the container then runs as the user
    who may read it.
    """

    alias: str
    label: str
    image: str
    command: tuple[str, ...]
    memory: str
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: Mapping[int, int] = field(default_factory=dict)
    secrets: Path | None = None
    stop_grace_s: int = 10


@dataclass(frozen=True)
class Store:
    """AutoMQ's S3 store at its address for containers, and the buckets for data and for operations."""

    s3: S3Store
    data: str
    ops: str


def broker(
    name: ClusterName, image: str, published: int, advertised: int, memory: str | None, store: Store | None = None
) -> Node:
    """Return a broker that is its own controller. `store` makes it AutoMQ.

    `published` is its port on 127.0.0.1, `advertised` the one that it advertises to clients, which may be a proxy's.
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
    # Data is in the container's own layer and outlives the process: a broker that is started again is not formatted.
    form = f"$B/kafka-storage$S format --ignore-formatted -t {settings.random_id()} -c {SERVER_FILE}"
    run = f"exec $B/kafka-server-start$S {SERVER_FILE}"
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


def broker_on_zookeeper(
    name: ClusterName, image: str, published: int, memory: str | None, zookeeper_node: Node
) -> Node:
    """Return a broker of Kafka before 3.3, which formats its own storage. `published` is its port on 127.0.0.1."""
    alias = f"kafka-{name}"
    properties = {
        **zookeeper.broker(f"{zookeeper_node.alias}:{ZOOKEEPER_PORT}"),
        "listeners": f"INTERNAL://:{INTERNAL},HOST://:{HOST}",
        "advertised.listeners": f"INTERNAL://{alias}:{INTERNAL},HOST://127.0.0.1:{published}",
        "listener.security.protocol.map": "INTERNAL:PLAINTEXT,HOST:PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
        "log.dirs": DATA,
    }
    return Node(
        alias=alias,
        label=f"{name} broker",
        image=image,
        command=("bash", "-c", f"{_BIN}; exec $B/kafka-server-start$S {SERVER_FILE}"),
        memory=memory or KAFKA_MEMORY,
        files={SERVER_FILE: settings.properties_text(properties)},
        env={**_KAFKA_JVM, "LOG_DIR": LOGS},
        ports={HOST: published},
    )


def zookeeper_of(image: str, published: int, memory: str | None) -> Node:
    """Return the ZooKeeper of the source, from the image of its broker."""
    properties = zookeeper.server(data=ZOOKEEPER_DATA, port=ZOOKEEPER_PORT)
    return Node(
        alias="zookeeper",
        label="ZooKeeper",
        image=image,
        command=("bash", "-c", f"{_BIN}; exec $B/zookeeper-server-start$S {ZOOKEEPER_FILE}"),
        memory=memory or KAFKA_MEMORY,
        files={ZOOKEEPER_FILE: settings.properties_text(properties)},
        env={**_KAFKA_JVM, "LOG_DIR": LOGS, "KAFKA_OPTS": " ".join(zookeeper.JVM_OPTIONS)},
        ports={ZOOKEEPER_PORT: published},
    )


def connect(
    alias: str,
    image: str,
    home: Node,
    published: int,
    memory: str | None,
    *,
    exactly_once: bool,
    secrets: Path | None = None,
) -> Node:
    """Return a distributed Connect worker that keeps its state on the cluster `home`; it reads the folder `secrets`."""
    properties = {
        **settings.CONNECT,
        **connect_secrets.worker_properties(secrets),
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
        command=("bash", "-c", f"{_BIN}; exec $B/connect-distributed$S {CONNECT_FILE}"),
        memory=memory or KAFKA_MEMORY,
        files={CONNECT_FILE: settings.properties_text(properties)},
        # The image's own folder for logs is writable for the image's user alone.
        env={**_KAFKA_JVM, "LOG_DIR": LOGS},
        ports={REST: published},
        secrets=secrets,
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
