"""The docker testbed: source, target and Connect in a container each, and an S3 store where the target is AutoMQ."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import platform
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from cutover_harness.processes import Process, spawn
from cutover_harness.testbed import probe, slow
from cutover_harness.testbed.base import ClusterName, Progress, TargetKind, TestbedError
from cutover_harness.testbed.connect_ready import connect_serves
from cutover_harness.testbed.docker import engine, nodes
from cutover_harness.testbed.docker.container import ContainerBroker, ContainerNode
from cutover_harness.testbed.docker.options import DockerOptions
from cutover_harness.testbed.ports import Ports
from cutover_harness.testbed.s3 import Buckets, S3Store, given_store

_KAFKA_JAR = re.compile(r"kafka_2\.\d+-(\d+\.\d+\.\d+)")
_REGION = "us-east-1"
_S3_LIMIT_S = 60.0


def _silent(_message: str) -> None:
    """Report nothing."""


class DockerTestbed:
    """Source and target cluster of one broker each, and a distributed Connect worker of one, as containers.

    The target is AutoMQ where its image is laid out as AutoMQ's (it holds /opt/automq/kafka), else it stands in.
    Everything published is on 127.0.0.1. `target_ack_delay_ms` holds the target's acknowledgements to clients of the
    host back; Connect reaches it inside and is not slowed. UsageError at start where there is no engine or no image.
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
        self.run = secrets.token_hex(4)
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
    def secrets_folder(self) -> None:
        """Nothing: a container reads no folder of this machine."""
        return

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
        """Return what a report has to say about the testbed. Complete once it runs."""
        options, version = self._options, {name: broker.version for name, broker in self._brokers.items()}
        source = f"Apache Kafka {version.get('source', '')} (image {options.source_image})"
        if self.target_kind == "AutoMQ":
            store = options.s3_endpoint or f"image {options.s3_image}"
            target = f"AutoMQ {version.get('target', '')} (image {options.target_image}; S3 store: {store})"
        else:
            target = f"Apache Kafka {version.get('target', '')} (image {options.target_image}) standing in for AutoMQ"
        if self._ack_delay_ms:
            target += f", acknowledgements delayed by {self._ack_delay_ms} ms for applications, not for the mirror"
        exactly_once = "exactly-once" if self.exactly_once else "at-least-once"
        limits = sorted({f"{node.node.alias} {node.node.memory}" for node in self._nodes})
        cpus = f"{options.cpus:g} CPUs each" if options.cpus else "no limit of CPUs"
        server = self._client.version()["Version"] if self._client is not None else ""
        return {
            "testbed": "containers, one broker a cluster",
            "source": source,
            "target": target,
            "connect": f"Kafka Connect (image {self._connect_image}), MirrorMaker 2, {exactly_once}",
            "engine": f"{server}; memory: {', '.join(limits)}; {cpus}",
            "host": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
            "python": platform.python_version(),
        }

    def start(self, progress: Progress = _silent) -> None:
        """Start everything and return when it serves; UsageError (TestbedError with its log's reason) where not."""
        self._client = engine.connect()
        self.logs.mkdir(parents=True, exist_ok=True)
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
        """Remove everything, keeping the logs; once more does nothing."""
        client, self._client = self._client, None
        if client is None:
            return
        atexit.unregister(self.stop)
        try:
            for node in self._nodes:
                with contextlib.suppress(TestbedError, OSError):
                    node.save_log(self.logs / f"{node.node.alias}.log")
            if self._options.s3_endpoint and self._buckets is not None:
                self._brokers["target"].kill()  # or it goes on writing
                self._buckets.remove()
        finally:
            # By label, as an interruption may have come between a container's creation and its being known here.
            with engine.explained("removing the testbed's containers"):
                engine.remove(client, engine.of_run(self.run))
            if self._proxy is not None:
                self._proxy.kill()
            self._ports.release()

    def __enter__(self) -> Self:
        if self._client is None:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _connect_image(self) -> str:
        return self._options.connect_image or self._options.source_image

    def _start(self, progress: Progress) -> None:
        from testcontainers.core.network import Network  # noqa: PLC0415 - an extra

        options = self._options
        pulled = [
            engine.ensure_image(self._client, image, option, progress)
            for option, image in (
                ("--source-image", options.source_image),
                ("--target-image", options.target_image),
                ("--connect-image", self._connect_image),
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
        store = self._start_store(progress) if is_automq else None
        progress(f"starting containers of {options.source_image}, {options.target_image} and {self._connect_image}")
        source = self._new_broker("source", options.source_image, self._wanted_ports[0], None)
        target = self._new_broker("target", options.target_image, self._wanted_ports[1], store)
        self._worker, self.connect_url = self._new_worker("connect", target, self._wanted_ports[2])
        for node in (target, source):
            node.launch()
        for node in (source, target):
            node.await_ready()
        # A worker gives up after a minute without the cluster that it keeps its state on.
        self._worker.launch()
        self._worker.await_ready()
        for broker in (source, target):
            broker.version = self._version(broker)

    def _new_broker(
        self, name: ClusterName, image: str, wanted: int | None, store: nodes.Store | None
    ) -> ContainerBroker:
        port = published = self._ports.take(wanted)
        if name == "target" and self._ack_delay_ms:
            published = self._ports.take()
            command = [sys.executable, "-P", str(Path(slow.__file__)), *map(str, (port, published, self._ack_delay_ms))]
            self._proxy = spawn(command, cwd=self.workdir, stdout=self.logs / "proxy.log")
        node = nodes.broker(name, image, published, port, self._options.memory, store)
        serves = functools.partial(probe.serves, "127.0.0.1", published)
        broker = ContainerBroker(name, f"127.0.0.1:{port}", nodes.internal_address(node), *self._args(node, serves))
        self._brokers[name] = broker
        self._nodes.append(broker)
        return broker

    def _new_worker(self, alias: str, home: ContainerBroker, wanted: int | None) -> tuple[ContainerNode, str]:
        port = self._ports.take(wanted)
        url = f"http://127.0.0.1:{port}"
        node = nodes.connect(
            alias, self._connect_image, home.node, port, self._options.memory, exactly_once=self.exactly_once
        )

        serves = functools.partial(connect_serves, url)
        worker = ContainerNode(*self._args(node, serves))
        self._nodes.append(worker)
        return worker, url

    def _start_store(self, progress: Progress) -> nodes.Store:
        """Return AutoMQ's store with its buckets made: they have to exist before it starts."""
        options = self._options
        if options.s3_endpoint:
            inside = outside = given_store(options.s3_endpoint, _REGION, None, os.environ)
        else:
            progress(f"starting the S3 store, {options.s3_image}")
            port, access, secret = self._ports.take(), secrets.token_hex(10), secrets.token_hex(20)
            inside = S3Store(f"http://s3:{nodes.S3_PORT}", _REGION, access, secret)
            outside = S3Store(f"http://127.0.0.1:{port}", _REGION, access, secret)

            def serves() -> bool:
                try:
                    # Any answer of HTTP: what is not signed is refused, by all stores alike.
                    return bool(httpx.get(outside.endpoint, timeout=2, trust_env=False).status_code)
                except httpx.HTTPError:
                    return False

            node = nodes.s3_store(options.s3_image, access, secret, port, options.memory)
            container = ContainerNode(*self._args(node, serves))
            self._nodes.append(container)
            container.launch()
            container.await_ready(_S3_LIMIT_S)
        self._buckets = Buckets(outside)
        self._buckets.create()
        return nodes.Store(inside, self._buckets.data, self._buckets.ops)

    def _args(self, node: nodes.Node, serves: Callable[[], bool]) -> tuple[Any, ...]:
        return (self._client, node, self.run, self._network, serves, self._options.netem_image, self._options.cpus or 0)

    def _version(self, broker: ContainerBroker) -> str:
        """Return the version by the names of its jars, for AutoMQ the image's tag and Kafka's version."""
        automq = broker.name == "target" and self.target_kind == "AutoMQ"
        listing = broker.listing(f"{nodes.AUTOMQ_HOME if automq else nodes.KAFKA_HOME}/libs")
        tag = broker.node.image.rpartition("/")[2].partition(":")[2] or "of an unknown version"
        kafka = found[1] if (found := _KAFKA_JAR.search(listing)) else None
        if automq:
            return f"{tag}, based on Kafka {kafka}" if kafka else tag
        return kafka or tag
