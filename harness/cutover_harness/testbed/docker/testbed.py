"""The docker testbed: source, target and Connect in a container each, and an S3 store if the target is AutoMQ."""

from __future__ import annotations

import atexit
import contextlib
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cutover_harness.processes import Process, spawn
from cutover_harness.testbed import connect_secrets, probe, slow, zookeeper
from cutover_harness.testbed.base import OwnClusters, Progress, TargetKind, TestbedError, silent
from cutover_harness.testbed.connect_ready import connect_serves
from cutover_harness.testbed.docker import description, engine, nodes, store
from cutover_harness.testbed.docker.container import ContainerBroker, ContainerBrokerOnZooKeeper, ContainerNode
from cutover_harness.testbed.docker.options import DockerOptions
from cutover_harness.testbed.ports import Ports
from cutover_harness.testbed.s3 import Buckets
from cutover_harness.testbed.versions import numbers, on_zookeeper
from cutover_harness.types import ClusterName

_S3_LIMIT_S = 60.0


class DockerTestbed(OwnClusters):
    """Source and target cluster of one broker each, and a distributed Connect worker of one, as containers.

    The target is AutoMQ if its image is laid out as AutoMQ's (it contains /opt/automq/kafka), otherwise it stands in.
    Everything published is on 127.0.0.1. `target_ack_delay_ms` holds the target's acknowledgements to clients of the
    host back; Connect reaches it inside and is not slowed. `start` raises UsageError if there is no engine or no image.
    """

    kind = "docker"

    def __init__(
        self,
        workdir: Path,
        options: DockerOptions,
        *,
        exactly_once: bool = False,
        ports: tuple[int, int, int] | None = None,
        target_ack_delay_ms: int = 0,
    ) -> None:
        self.workdir = workdir.resolve()
        self.logs = self.workdir / "logs"
        self.exactly_once = exactly_once
        self.run = engine.new_run()
        self.target_kind: TargetKind = "stand-in"
        self._options = options
        self._wanted_ports = ports or (None, None, None)
        self._ack_delay_ms = target_ack_delay_ms
        self._ports = Ports()
        self._client: Any = None
        self._network: Any = None
        self._proxy: Process | None = None
        self._nodes: list[ContainerNode] = []
        self._brokers: dict[ClusterName, ContainerBroker] = {}
        self._worker: ContainerNode | None = None
        self._reverse: tuple[ContainerNode, str] | None = None
        self._buckets: Buckets | None = None
        self._secrets = connect_secrets.folder_of(self.workdir)
        self._secrets_read = False
        self.connect_url = ""

    @property
    def source(self) -> ContainerBroker:
        """The cluster that applications move away from. Known from `start` on."""
        return self._brokers["source"]

    @property
    def target(self) -> ContainerBroker:
        """The cluster that they move to. Known from `start` on."""
        return self._brokers["target"]

    @property
    def worker(self) -> ContainerNode:
        """The Connect worker. Known from `start` on."""
        if self._worker is None:
            raise RuntimeError("the testbed has not been started")
        return self._worker

    @property
    def connect_logs(self) -> Sequence[Path]:
        """Nothing: a container's log is fetched when the testbed ends."""
        return ()

    @property
    def secrets_folder(self) -> Path | None:
        """The folder from which its Connect workers read secrets; None if their containers cannot read it."""
        return self._secrets if self._secrets_read else None

    def reverse_connect_url(self) -> str:
        """Return the address of a Connect that can run a reverse mirror.

        With exactly-once it is a worker of its own on the source, started at the first call, since a worker's
        transactions are those of the cluster that it keeps its state on.
        """
        if not self.exactly_once:
            return self.connect_url
        if self._reverse is None:
            self._reverse = self._new_worker("connect-reverse", self.source, None)
            self._reverse[0].launch()
            self._reverse[0].await_ready()
        return self._reverse[1]

    def describe(self) -> dict[str, str]:
        """Return the testbed's description for the report. Complete once it runs."""
        return description.describe(
            self._options,
            self.target_kind,
            {name: broker.version for name, broker in self._brokers.items()},
            [node.node for node in self._nodes],
            self._client.version()["Version"] if self._client is not None else "",
            exactly_once=self.exactly_once,
            ack_delay_ms=self._ack_delay_ms,
        )

    def start(self, progress: Progress = silent) -> None:
        """Start everything and return when it serves. Raises UsageError (TestbedError with its log's reason)."""
        self._client = engine.connect()
        self.logs.mkdir(parents=True, exist_ok=True)
        connect_secrets.create(self._secrets)
        for name in engine.remove(self._client, engine.abandoned):
            progress(f"removed {name}, left by a run that was killed")
        atexit.register(self.stop)
        try:
            self._start(progress)
        except BaseException:
            self.stop()
            raise
        progress("brokers and Connect are ready")

    def stop(self) -> None:
        """Remove everything but the logs; a second call does nothing."""
        client, self._client = self._client, None
        if client is None:
            return
        atexit.unregister(self.stop)
        try:
            for node in self._nodes:
                with contextlib.suppress(TestbedError, OSError):
                    node.save_log(self.logs / f"{node.node.alias}.log")
            if self._options.s3_endpoint and self._buckets is not None:
                self._brokers["target"].kill()  # otherwise it keeps writing
                self._buckets.remove()
        finally:
            # By label: an interruption may have come between a container's creation and its entry here.
            with engine.explained("removing the testbed's containers"):
                engine.remove(client, engine.of_run(self.run))
            if self._proxy is not None:
                self._proxy.kill()
            self._ports.release()
            connect_secrets.remove(self._secrets)

    def __enter__(self) -> Self:
        if self._client is None:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, progress: Progress) -> None:
        from testcontainers.core.network import Network  # noqa: PLC0415 - an extra

        options = self._options
        pulled = [
            engine.ensure_image(self._client, image, option, progress)
            for option, image in (
                ("--source-image", options.source_image),
                ("--target-image", options.target_image),
                ("--connect-image", options.image_of_connect),
            )
        ]
        with engine.explained(f"looking into {options.target_image}"):
            is_automq = engine.has_path(self._client, options.target_image, nodes.AUTOMQ_HOME, self.run)
        self.target_kind = "AutoMQ" if is_automq else "stand-in"
        if is_automq and not options.s3_endpoint:
            pulled.append(engine.ensure_image(self._client, options.s3_image, "--s3-image", progress))
        engine.use_reaper(self._client, registry=any(pulled))
        with engine.explained("creating the testbed's network"):
            self._network = Network(docker_network_kw={"labels": engine.labels(self.run)})
            self._network.name = f"{engine.PREFIX}-{self.run}"
            self._network.create()
        s3 = self._start_store(progress) if is_automq else None
        progress(
            f"starting containers of {options.source_image}, {options.target_image} and {options.image_of_connect}"
        )
        source = self._new_broker("source", options.source_image, self._wanted_ports[0], None)
        target = self._new_broker("target", options.target_image, self._wanted_ports[1], s3)
        self._worker, self.connect_url = self._new_worker("connect", target, self._wanted_ports[2])
        for node in (target, source):
            node.launch()
        for node in (source, target):
            node.await_ready()
        for broker in (source, target):
            broker.version = self._version(broker)
        self._check_version(source.version)
        # A worker gives up after a minute without the cluster that it keeps its state on.
        self._worker.launch()
        self._worker.await_ready()
        self._secrets_read = self._secrets is not None and self._worker.reads(self._secrets)

    def _new_broker(self, name: ClusterName, image: str, wanted: int | None, s3: nodes.Store | None) -> ContainerBroker:
        port = published = self._ports.take(wanted)
        if name == "source" and self._options.source_version and on_zookeeper(self._options.source_version):
            return self._new_broker_on_zookeeper(image, port)
        if name == "target" and self._ack_delay_ms:
            published = self._ports.take()
            command = [sys.executable, "-P", str(Path(slow.__file__)), *map(str, (port, published, self._ack_delay_ms))]
            self._proxy = spawn(command, cwd=self.workdir, stdout=self.logs / "proxy.log")
        node = nodes.broker(name, image, published, port, self._options.memory, s3)
        serves = functools.partial(probe.serves, "127.0.0.1", published)
        broker = ContainerBroker(name, f"127.0.0.1:{port}", nodes.internal_address(node), *self._args(node, serves))
        return self._keep(broker)

    def _new_broker_on_zookeeper(self, image: str, port: int) -> ContainerBroker:
        """Start ZooKeeper, and return the source's broker, which keeps its metadata there."""
        zookeeper_port = self._ports.take()
        metadata = nodes.zookeeper_of(image, zookeeper_port, self._options.memory)
        container = ContainerNode(*self._args(metadata, functools.partial(zookeeper.serves, zookeeper_port)))
        self._nodes.append(container)
        container.launch()
        container.await_ready()
        node = nodes.broker_on_zookeeper("source", image, port, self._options.memory, metadata)
        serves = functools.partial(probe.serves, "127.0.0.1", port)
        addresses = f"127.0.0.1:{port}", nodes.internal_address(node)
        return self._keep(ContainerBrokerOnZooKeeper(zookeeper_port, "source", *addresses, *self._args(node, serves)))

    def _keep(self, broker: ContainerBroker) -> ContainerBroker:
        self._brokers[broker.name] = broker
        self._nodes.append(broker)
        return broker

    def _new_worker(self, alias: str, home: ContainerBroker, wanted: int | None) -> tuple[ContainerNode, str]:
        port = self._ports.take(wanted)
        url = f"http://127.0.0.1:{port}"
        node = nodes.connect(
            alias,
            self._options.image_of_connect,
            home.node,
            port,
            self._options.memory,
            exactly_once=self.exactly_once,
            secrets=self._secrets,
        )
        serves = functools.partial(connect_serves, url)
        worker = ContainerNode(*self._args(node, serves))
        self._nodes.append(worker)
        return worker, url

    def _start_store(self, progress: Progress) -> nodes.Store:
        """Return AutoMQ's store, with its buckets created: they have to exist before AutoMQ starts."""
        options = self._options
        if options.s3_endpoint:
            inside = outside = store.given(options.s3_endpoint)
        else:
            progress(f"starting the S3 store, {options.s3_image}")
            port = self._ports.take()
            inside, outside = store.new(port)
            node = nodes.s3_store(options.s3_image, inside.access_key, inside.secret_key, port, options.memory)
            container = ContainerNode(*self._args(node, functools.partial(store.serves, outside)))
            self._nodes.append(container)
            container.launch()
            container.await_ready(_S3_LIMIT_S)
        self._buckets = Buckets(outside)
        self._buckets.create()
        return nodes.Store(inside, self._buckets.data, self._buckets.ops)

    def _args(self, node: nodes.Node, serves: Callable[[], bool]) -> tuple[Any, ...]:
        return (self._client, node, self.run, self._network, serves, self._options.netem_image, self._options.cpus or 0)

    def _version(self, broker: ContainerBroker) -> str:
        automq = broker.name == "target" and self.target_kind == "AutoMQ"
        folders = (f"{nodes.AUTOMQ_HOME}/libs",) if automq else nodes.LIBRARIES
        jars = "".join(broker.listing(folder) for folder in folders)
        return description.version(broker.node.image, jars, automq=automq)

    def _check_version(self, found: str) -> None:
        wanted = self._options.source_version
        if wanted and numbers(found) and numbers(found)[:2] != numbers(wanted)[:2]:
            raise TestbedError(
                f"--source-version {wanted}: image {self._options.source_image} contains Kafka {found}: name an image "
                "of that version with --source-image"
            )
