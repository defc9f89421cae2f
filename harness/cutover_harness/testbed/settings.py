"""The properties of brokers, Connect and logging on the process testbed.

Everything is tuned for nodes that start, forget and fail fast; semantics are left as they are in production, but for
replication, which needs more than one broker (see `members`).
"""

import base64
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

LOGGING = """\
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %-5p %X{connector.context}%m (%c{1})%n
log4j.logger.org.reflections=ERROR
log4j.logger.org.eclipse.jetty=WARN
# The full configuration at each start of a client: a hundred lines each.
log4j.logger.org.apache.kafka.clients.consumer.ConsumerConfig=WARN
log4j.logger.org.apache.kafka.clients.producer.ProducerConfig=WARN
log4j.logger.org.apache.kafka.clients.admin.AdminClientConfig=WARN
log4j.logger.org.apache.kafka.connect.runtime=INFO
"""

# The same for log4j 2, which Kafka uses since 4.0.
LOGGING_2 = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{DEFAULT} %-5p %X{connector.context}%m (%c{1})%n
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=out
"""

_LOGGING_1_FILE, _LOGGING_2_FILE = "log4j.properties", "log4j2.properties"
LOGGING_FILES: Mapping[str, str] = {_LOGGING_1_FILE: LOGGING, _LOGGING_2_FILE: LOGGING_2}

# A broker that is its own controller (KRaft).
QUORUM: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "broker.heartbeat.interval.ms": "250",
    # Kafka's default: a broker that a busy machine or a fault stops for seconds must not count as dead, or
    # its clients learn that there is no broker, and librdkafka's may wait for their coordinator for minutes.
    "broker.session.timeout.ms": "9000",
    "controller.quorum.election.timeout.ms": "200",
    "controller.quorum.election.backoff.max.ms": "100",
    "controller.quorum.fetch.timeout.ms": "1000",
    "initial.broker.registration.timeout.ms": "30000",
}

# Settings of one node, and how topics and groups behave in a rehearsal's seconds, on a broker of any kind.
NODE: Mapping[str, str] = {
    **{name: QUORUM[name] for name in ("process.roles", "node.id", "controller.listener.names")},
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXY:PLAINTEXT",
    # One node.
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.min.isr": "1",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # Group and session times of a rehearsal may be shorter than a production broker lets clients choose.
    "group.min.session.timeout.ms": "1000",
    # Retention and compaction run within a rehearsal's seconds for topics that are configured so, and for no others:
    # the default week would remove replayed records that keep their old timestamps.
    "log.retention.ms": "-1",
    "log.initial.task.delay.ms": "1000",
    "log.retention.check.interval.ms": "1000",
    "log.cleaner.backoff.ms": "1000",
    "log.segment.delete.delay.ms": "1000",
}

BROKER: Mapping[str, str] = {
    **NODE,
    # Fast to start and to come back.
    **QUORUM,
    # Small: memory, threads, and files (an index is laid out at its full size until its segment is closed).
    "log.cleaner.dedupe.buffer.size": "2097152",
    "log.index.size.max.bytes": "1048576",
    "log.segment.bytes": "67108864",
    "background.threads": "2",
    "num.network.threads": "2",
    "num.io.threads": "2",
}

CONNECT: Mapping[str, str] = {
    "group.id": "kafka-cutover-connect",
    "key.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
    "value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
    # Left out, header values would arrive base64-encoded.
    "header.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
    "config.storage.topic": "kafka-cutover-connect-configs",
    "config.storage.replication.factor": "1",
    "offset.storage.topic": "kafka-cutover-connect-offsets",
    "offset.storage.replication.factor": "1",
    "offset.storage.partitions": "1",
    "status.storage.topic": "kafka-cutover-connect-status",
    "status.storage.replication.factor": "1",
    "status.storage.partitions": "1",
    "offset.flush.interval.ms": "1000",
    "plugin.discovery": "service_load",
    "connector.client.config.override.policy": "All",
    "scheduled.rebalance.max.delay.ms": "0",
    "session.timeout.ms": "6000",
    "heartbeat.interval.ms": "1000",
    # A write to the configuration topic takes AutoMQ over 5 s at times, and a worker that is late leaves its group.
    "rebalance.timeout.ms": "60000",
    "task.shutdown.graceful.timeout.ms": "2000",
    "reconnect.backoff.max.ms": "200",
}


def write_logging(folder: Path) -> None:
    """Write the configurations of logging."""
    for name, text in LOGGING_FILES.items():
        (folder / name).write_text(text)


def logging_option(folder: Path, *, log4j2: bool = False) -> str:
    """Return the JVM's option for the configuration of logging in this folder."""
    if log4j2:
        return f"-Dlog4j2.configurationFile={(folder / _LOGGING_2_FILE).as_uri()}"
    return f"-Dlog4j.configuration=file:{folder / _LOGGING_1_FILE}"


def write_broker(
    file: Path,
    data: Path,
    port: int,
    controller_port: int,
    proxy: tuple[int, int] | None = None,
    *,
    formatted: bool = True,
) -> None:
    """Write a broker's properties; `formatted` formats its data folder if it is new, as `kafka-storage` before 4.0.

    `proxy` are the ports of a proxy and of the listener behind it: clients that come through
    the proxy get its address.
    """
    listener = advertised = f"PLAINTEXT://127.0.0.1:{port}"
    if proxy is not None:
        listener += f",PROXY://127.0.0.1:{proxy[1]}"
        advertised += f",PROXY://127.0.0.1:{proxy[0]}"
    addresses = {"listeners": f"{listener},{controller(controller_port)}", "advertised.listeners": advertised}
    write_properties(file, {**BROKER, **addresses, **place(data, controller_port)})
    if formatted:
        write_identity(data, random_id(), 1)


def write_identity(data: Path, cluster_id: str, node_id: int) -> None:
    """Format a node's data folder if it is new, as `kafka-storage` does before 4.0."""
    meta = data / "meta.properties"
    if meta.exists():
        return
    data.mkdir(parents=True, exist_ok=True)
    identity = {"version": "1", "cluster.id": cluster_id, "node.id": str(node_id), "directory.id": random_id()}
    write_properties(meta, identity)


def controller(port: int) -> str:
    """Return the listener of the node's controller."""
    return f"CONTROLLER://127.0.0.1:{port}"


def place(data: Path, controller_port: int) -> dict[str, str]:
    """Return the properties of the node's data folder and quorum."""
    return {"controller.quorum.voters": f"1@127.0.0.1:{controller_port}", "log.dirs": str(data)}


def write_connect(
    file: Path, target_bootstrap: str, port: int, *, exactly_once: bool, more: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write the properties of a distributed worker that keeps its state on the target cluster.

    `more`: properties that it has as well, or instead.
    """
    write_properties(
        file,
        {
            **CONNECT,
            **more,
            "bootstrap.servers": target_bootstrap,
            "listeners": f"http://127.0.0.1:{port}",
            "rest.advertised.host.name": "127.0.0.1",
            "rest.advertised.port": str(port),
            "exactly.once.source.support": "enabled" if exactly_once else "disabled",
        },
    )


def write_properties(file: Path, properties: Mapping[str, str]) -> None:
    """Write a Java properties file."""
    file.write_text(properties_text(properties))


def properties_text(properties: Mapping[str, str]) -> str:
    """Return a Java properties file's text; what is special in its syntax is escaped."""

    def escape(text: str) -> str:
        for special in "\\=:#! ":
            text = text.replace(special, f"\\{special}")
        text = text.replace("\n", "\\n")
        # The file is read as ISO 8859-1, anything else is a UTF-16 unit at a time.
        units = text.encode("utf-16-be").hex(" ", 2).split()
        return "".join(chr(int(unit, 16)) if int(unit, 16) < 128 else f"\\u{unit}" for unit in units)

    return "".join(f"{escape(key)}={escape(value)}\n" for key, value in properties.items())


def random_id() -> str:
    """Return a Kafka id: 16 random bytes in URL-safe base64, not beginning like an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
