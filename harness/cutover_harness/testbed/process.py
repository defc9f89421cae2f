"""The process testbed: real brokers and a real Connect worker as JVMs on loopback, from packages alone."""

import functools
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from cutover_harness.processes import Process, spawn
from cutover_harness.testbed import connect_secrets, file_connect, members, probe, settings, slow, versions, zookeeper
from cutover_harness.testbed.base import OwnClusters, Progress, TargetKind, silent
from cutover_harness.testbed.connect_ready import connect_serves
from cutover_harness.testbed.jars import classpaths
from cutover_harness.testbed.jvm import JAVA_VERSION, ClassCache, assemble_in_background
from cutover_harness.testbed.nodes import Broker, JvmNode, Program, launch_all, stop_all
from cutover_harness.testbed.ports import Ports
from cutover_harness.testbed.several import BrokerCluster, LocalCluster
from cutover_harness.testbed.storage import format_storage
from cutover_harness.testbed.timing import TIMINGS
from cutover_harness.types import ClusterName

CONNECT_VERSION = "3.9.2"
DEFAULT_SOURCE_VERSION = "3.9.2"
DEFAULT_TARGET_VERSION = "3.9.1"  # what AutoMQ's own code is based on

_WORKER, _REVERSE_WORKER = "connect", "connect-reverse"

T = TypeVar("T")


class ProcessTestbed(OwnClusters):
    """Source and target cluster of `brokers` each, and a distributed Connect worker of one process.

    Everything is written below `workdir`, which is created and left behind; shared downloads are in the user's cache
    folder. `exactly_once` is the worker's (KIP-618): with it every source connector writes in transactions. A port that
    is given and in use is a UsageError at start. With `target_ack_delay_ms` clients and Connect reach the target
    through a proxy that holds acknowledgements back for so long, see `testbed.slow`. Of several brokers the first one
    has the given port.
    """

    kind = "process"
    target_kind: TargetKind = "stand-in"

    def __init__(
        self,
        workdir: Path,
        *,
        source_version: str = DEFAULT_SOURCE_VERSION,
        target_version: str = DEFAULT_TARGET_VERSION,
        brokers: int = 1,
        exactly_once: bool = False,
        source_port: int | None = None,
        target_port: int | None = None,
        connect_port: int | None = None,
        target_ack_delay_ms: int = 0,
    ) -> None:
        self.workdir = workdir.resolve()
        self.logs = self.workdir / "logs"
        self.exactly_once = exactly_once
        self._size = brokers
        self._versions: dict[ClusterName, str] = {"source": source_version, "target": target_version}
        self._wanted_ports: dict[str, int | None] = {
            "source": source_port,
            "target": target_port,
            "connect": connect_port,
        }
        self._ack_delay_ms = target_ack_delay_ms
        self._proxies: list[Process] = []
        self._ports = Ports()
        self._clusters: dict[ClusterName, LocalCluster] = {}
        self._worker: JvmNode | None = None
        self._connect_url = ""
        self._connect_classpath: list[Path] = []
        self._reverse: tuple[JvmNode, str] | None = None
        self._zookeeper: JvmNode | None = None
        self._file_connects: list[file_connect.FileConnect] = []

    @property
    def source(self) -> LocalCluster:
        """The cluster that applications move away from. Known from `start` on."""
        return self._started(self._clusters.get("source"))

    @property
    def target(self) -> LocalCluster:
        """The cluster that stands in for AutoMQ. Known from `start` on."""
        return self._started(self._clusters.get("target"))

    @property
    def worker(self) -> JvmNode:
        """The Connect worker. Known from `start` on."""
        return self._started(self._worker)

    @property
    def connect_url(self) -> str:
        """The address of Connect's REST interface. Known from `start` on."""
        return self._connect_url

    @property
    def connect_logs(self) -> Sequence[Path]:
        """The files that its Connect workers log to; the second one is there once a reverse mirror has run."""
        return [self.logs / f"{name}.log" for name in (_WORKER, _REVERSE_WORKER)]

    @property
    def secrets_folder(self) -> Path | None:
        """The folder from which its Connect workers read secrets; None if references cannot name it."""
        return connect_secrets.folder_of(self.workdir)

    def describe(self) -> dict[str, str]:
        """Return the testbed's description for the report."""
        exactly_once = "exactly-once" if self.exactly_once else "at-least-once"
        slowed = f", acknowledgements delayed by {self._ack_delay_ms} ms" if self._ack_delay_ms else ""
        return {
            "testbed": f"local JVM processes, {_size(self._size)} a cluster",
            "source": _title(self._versions["source"]),
            "target": f"{self._target_title()}{slowed}",
            "connect": f"Kafka Connect {CONNECT_VERSION}, MirrorMaker 2, {exactly_once}",
            "java": JAVA_VERSION,
            "host": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
            "python": platform.python_version(),
        }

    def start(self, progress: Progress = silent) -> None:
        """Start all three and return when they serve. Raises UsageError (TestbedError with the log's reason)."""
        paths = self._fetch(progress)
        self.logs.mkdir(parents=True, exist_ok=True)
        (self.workdir / "tmp").mkdir(exist_ok=True)
        settings.write_logging(self.workdir)
        progress(f"starting {self.describe()['source']}, {self._target_title()} and Connect")
        try:
            for name, path in paths.items():
                self._clusters[name] = self._new_cluster(name, path)
            port = self._ports.take(self._wanted_ports["connect"])
            self._worker, self._connect_url = self._new_worker(_WORKER, self.target.bootstrap, port)
            # A worker gives up after a minute without the cluster that it keeps its state on.
            launch_all([*self._keepers(), *self._brokers()])
            launch_all([self._worker])
        except BaseException:
            self._end(keep_records=False)
            raise
        progress("brokers and Connect are ready")

    def reverse_connect_url(self) -> str:
        """Return the address of a Connect that can run a reverse mirror.

        With exactly-once it is a worker of its own on the source, started at the first call, since a worker's
        transactions are those of the cluster that it keeps its state on.
        """
        if not self.exactly_once:
            return self.connect_url
        if self._reverse is None:
            self._reverse = self._new_worker(_REVERSE_WORKER, self.source.bootstrap, self._ports.take())
            launch_all([self._reverse[0]])
        return self._reverse[1]

    def file_connect(self, name: str) -> file_connect.FileConnect:
        """Return one more Connect worker, with Kafka's file connectors, not started; it ends with the testbed."""
        role = ("filestream", CONNECT_VERSION)
        plugin = next(jar for jar in classpaths([role], silent)[role] if "connect-file" in jar.name)
        cache = ClassCache(f"connect-{CONNECT_VERSION}", self._connect_classpath)

        def program(properties: Path, env: Mapping[str, str]) -> Program:
            return self._program(
                f"Connect worker {name}", name, file_connect.MAIN, properties, file_connect.FAREWELL, env=env
            )

        folder, clusters = self.workdir / name, (self.source, self.target)
        more = members.connect_replication(self._size)
        worker = file_connect.FileConnect(name, self._ports.take(), folder, clusters, plugin, cache, program, more)
        self._file_connects.append(worker)
        return worker

    def stop(self) -> None:
        """Stop everything within seconds; a second call does nothing."""
        self._end(keep_records=True)

    def __enter__(self) -> Self:
        if self._worker is None:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A user who interrupts does not want to wait for something that only the next run needs.
        self._end(keep_records=kind is None)

    @staticmethod
    def _started(node: T | None) -> T:
        if node is None:
            raise RuntimeError("the testbed has not been started")
        return node

    def _end(self, *, keep_records: bool) -> None:
        nodes = self._brokers()
        if self._worker is not None:
            nodes.append(self._worker)
        if self._reverse is not None:
            nodes.append(self._reverse[0])
        nodes += [node for each in self._file_connects for node in each.nodes]
        try:
            records = stop_all(nodes, keep_records=keep_records)
            # A broker that shuts down needs them.
            keepers = self._keepers() + ([] if self._zookeeper is None else [self._zookeeper])
            records += stop_all(keepers, keep_records=keep_records)
        finally:
            for proxy in self._proxies:
                proxy.kill()
            self._ports.release()
            connect_secrets.remove(self.secrets_folder)
        assemble_in_background(records)

    def _brokers(self) -> list[JvmNode]:
        return [broker for cluster in self._clusters.values() for broker in cluster.brokers]

    def _keepers(self) -> list[JvmNode]:
        return [node for cluster in self._clusters.values() for node in cluster.keepers]

    def _target_title(self) -> str:
        return f"Apache Kafka {self._versions['target']} standing in for AutoMQ"

    def _fetch(self, progress: Progress) -> dict[ClusterName, list[Path]]:
        """Return the class path of each broker, and keep Connect's, after fetching what is not there yet."""
        return self._fetch_kafka(("source", "target"), progress)

    def _fetch_kafka(self, names: Sequence[ClusterName], progress: Progress) -> dict[ClusterName, list[Path]]:
        roles: dict[ClusterName, tuple[str, str]] = {name: ("broker", self._versions[name]) for name in names}
        paths = classpaths([*roles.values(), ("connect", CONNECT_VERSION)], progress)
        self._connect_classpath = paths["connect", CONNECT_VERSION]
        return {name: paths[role] for name, role in roles.items()}

    def _new_cluster(self, name: ClusterName, classpath: list[Path]) -> LocalCluster:
        return self._new_broker(name, classpath) if self._size == 1 else self._new_brokers(name, classpath)

    def _new_brokers(self, name: ClusterName, classpath: list[Path]) -> BrokerCluster:
        """Return a cluster of several brokers, whose metadata is kept by ZooKeeper, or by a controller of its own."""
        version, size = self._versions[name], self._size
        cache, cluster_id = ClassCache(f"broker-{version}", classpath), settings.random_id()
        keeper: JvmNode | None = None
        if versions.on_zookeeper(version):
            keeper_port = self._start_zookeeper(version, classpath)
        else:
            keeper_port, log = self._ports.take(), f"{name}-controller"
            properties = members.controller(self.workdir / log, keeper_port, size)
            program = self._member(version, log, members.CONTROLLER_ID, cache, properties, cluster_id)
            keeper = JvmNode(program, cache, functools.partial(probe.listens, "127.0.0.1", keeper_port))
        brokers: list[Broker] = []
        for node_id in range(1, size + 1):
            port = own_port = self._ports.take(self._wanted_ports[name] if node_id == 1 else None)
            log = f"{name}-{node_id}"
            data, file = self.workdir / log, self.workdir / f"{log}.properties"
            serves = functools.partial(probe.serves, "127.0.0.1", port, node_id=node_id)
            if keeper is None:
                zookeeper.write_broker(file, data, port, keeper_port, node_id, members.replication(size))
                program = self._broker_program(version, log, node_id)
                args = (name, version, port, program, cache, serves, node_id)
                brokers.append(zookeeper.BrokerOnZooKeeper(keeper_port, data, *args))
                continue
            if name == "target" and self._ack_delay_ms:
                own_port = self._start_proxy(port)
            ports = own_port, self._ports.take()
            properties = members.member(node_id, size, data, ports, keeper_port, port)
            program = self._member(version, log, node_id, cache, properties, cluster_id)
            brokers.append(Broker(name, version, port, program, cache, serves, node_id))
        return BrokerCluster(name, version, brokers, keeper)

    def _member(
        self, version: str, log: str, node_id: int, cache: ClassCache, properties: Mapping[str, str], cluster_id: str
    ) -> Program:
        """Write a node's properties, format its storage, and return its program."""
        program = self._broker_program(version, log, node_id)
        settings.write_properties(program.properties, properties)
        if versions.needs_format(version):
            self._format(log, cache, program.properties, program.options[0], cluster_id)
        else:
            settings.write_identity(self.workdir / log, cluster_id, node_id)
        return program

    def _broker_program(self, version: str, log: str, node_id: int) -> Program:
        logging = settings.logging_option(self.workdir, log4j2=versions.logs_by_log4j2(version))
        cluster, _, which = log.partition("-")
        label = f"{cluster} {which}" if which == "controller" else f"{cluster} broker {which}".rstrip()
        farewell = f"App info kafka.server for {node_id}"
        return self._program(label, log, "kafka.Kafka", self.workdir / f"{log}.properties", farewell, logging=logging)

    def _new_broker(self, name: ClusterName, classpath: list[Path]) -> Broker:
        version, port = self._versions[name], self._ports.take(self._wanted_ports[name])
        data = self.workdir / name
        program = self._broker_program(version, name, 1)
        properties = program.properties
        cache = ClassCache(f"broker-{version}", classpath)
        serves = functools.partial(probe.serves, "127.0.0.1", port)
        if versions.on_zookeeper(version):
            zookeeper_port = self._start_zookeeper(version, classpath)
            zookeeper.write_broker(properties, data, port, zookeeper_port)
            return zookeeper.BrokerOnZooKeeper(zookeeper_port, data, name, version, port, program, cache, serves)
        controller_port = self._ports.take()
        formatted = not versions.needs_format(version)
        own_port, proxy = port, None
        if name == "target" and self._ack_delay_ms:
            own_port, proxy = self._ports.take(), (port, self._start_proxy(port))
        settings.write_broker(properties, data, own_port, controller_port, proxy, formatted=formatted)
        if not formatted:
            self._format(name, cache, properties, program.options[0])
        return Broker(name, version, port, program, cache, serves)

    def _format(
        self, name: str, cache: ClassCache, properties: Path, logging: str | None = None, cluster_id: str | None = None
    ) -> None:
        options = [logging or settings.logging_option(self.workdir)]
        format_storage(name, cache, properties, options, self.logs / f"{name}-format.log", cluster_id)

    def _start_zookeeper(self, version: str, classpath: list[Path]) -> int:
        """Start the source's ZooKeeper and return its port when it serves."""
        port = self._ports.take()
        properties = self.workdir / "zookeeper.properties"
        zookeeper.write_server(properties, self.workdir / "zookeeper", port)
        program = self._program(
            "ZooKeeper", "zookeeper", zookeeper.MAIN, properties, zookeeper.FAREWELL, options=zookeeper.JVM_OPTIONS
        )
        cache = ClassCache(f"zookeeper-{version}", classpath)
        self._zookeeper = JvmNode(program, cache, functools.partial(zookeeper.serves, port))
        launch_all([self._zookeeper])
        return port

    def _start_proxy(self, port: int) -> int:
        """Start the proxy that clients reach the target through; returns the port that it passes them on to."""
        behind = self._ports.take()
        command = [sys.executable, "-P", str(Path(slow.__file__)), str(port), str(behind), str(self._ack_delay_ms)]
        self._proxies.append(spawn(command, cwd=self.workdir, stdout=self.logs / "proxy.log"))
        return behind

    def _new_worker(self, name: str, bootstrap: str, port: int) -> tuple[JvmNode, str]:
        url = f"http://127.0.0.1:{port}"
        properties = self.workdir / f"{name}.properties"
        connect_secrets.create(self.secrets_folder)
        more = {**members.connect_replication(self._size), **connect_secrets.worker_properties(self.secrets_folder)}
        settings.write_connect(properties, bootstrap, port, exactly_once=self.exactly_once, more=more)
        program = self._program("Connect worker", name, file_connect.MAIN, properties, file_connect.FAREWELL)

        serves = functools.partial(connect_serves, url)
        return JvmNode(program, ClassCache(f"connect-{CONNECT_VERSION}", self._connect_classpath), serves), url

    def _program(
        self,
        label: str,
        log: str,
        main: str,
        properties: Path,
        farewell: str,
        *,
        options: tuple[str, ...] = (),
        logging: str | None = None,
        env: Mapping[str, str] | None = None,
        stop_grace_s: float = TIMINGS["stand-in"].stop_grace_s,
    ) -> Program:
        return Program(
            label=label,
            main=main,
            properties=properties,
            workdir=self.workdir,
            log=self.logs / f"{log}.log",
            farewell=farewell,
            options=(
                logging or settings.logging_option(self.workdir),
                f"-Djava.io.tmpdir={self.workdir / 'tmp'}",
                f"-XX:ErrorFile={self.logs / log}-crash.log",
                *options,
            ),
            env=env or {},
            stop_grace_s=stop_grace_s,
        )


def _size(brokers: int) -> str:
    return "one broker" if brokers == 1 else f"{brokers} brokers"


def _title(version: str) -> str:
    return f"Apache Kafka {version}" + (" with ZooKeeper" if versions.on_zookeeper(version) else "")
