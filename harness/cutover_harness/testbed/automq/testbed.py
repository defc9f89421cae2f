"""The testbed for AutoMQ: the process testbed with another target."""

from __future__ import annotations

import functools
import sys
import time
from pathlib import Path

import httpx

from cutover_harness.errors import UsageError
from cutover_harness.processes import Process, spawn, tail
from cutover_harness.testbed import probe
from cutover_harness.testbed.automq import settings
from cutover_harness.testbed.automq.distribution import read_distribution
from cutover_harness.testbed.automq.options import AutomqOptions
from cutover_harness.testbed.base import Progress, TargetKind, TestbedError, silent
from cutover_harness.testbed.jvm import ClassCache, environment
from cutover_harness.testbed.nodes import Broker
from cutover_harness.testbed.process import DEFAULT_SOURCE_VERSION, ProcessTestbed
from cutover_harness.testbed.s3 import EXTRA, Buckets, S3Store, embedded_store
from cutover_harness.testbed.timing import TIMINGS
from cutover_harness.types import ClusterName

_STORE = Path(__file__).parent.parent / "s3_server.py"
_STORE_LIMIT_S = 30.0
EXACTLY_ONCE_WARNING = (
    "MirrorMaker 2 with exactly-once copies about 500 records/s to AutoMQ, since each of its transactions waits for an "
    "upload; without it about 10,000/s"
)


class AutomqTestbed(ProcessTestbed):
    """The source and Connect of the process testbed, and a broker from an AutoMQ distribution on an S3 store.

    The store is a given one or an embedded one, which ends with the testbed; the buckets are the testbed's own and
    removed at its end. `target_kind` is "AutoMQ" only if AutoMQ's storage is in the distribution, which is read
    when this is created: raises UsageError if it is unusable.
    """

    kind = "automq"

    def __init__(
        self,
        workdir: Path,
        options: AutomqOptions,
        *,
        source_version: str = DEFAULT_SOURCE_VERSION,
        exactly_once: bool = False,
        source_port: int | None = None,
        target_port: int | None = None,
        connect_port: int | None = None,
    ) -> None:
        self._options = options
        self._distribution = read_distribution(options.home)
        self.target_kind: TargetKind = "AutoMQ" if self._distribution.automq else "stand-in"
        self._embedded: Process | None = None
        self._buckets: Buckets | None = None
        self._store = options.store
        self._say: Progress = silent
        super().__init__(
            workdir,
            source_version=source_version,
            target_version=self._distribution.version or self._distribution.kafka_version,
            exactly_once=exactly_once,
            source_port=source_port,
            target_port=target_port,
            connect_port=connect_port,
        )

    def describe(self) -> dict[str, str]:
        """Return the testbed's description for the report."""
        store = self._options.store.endpoint if self._options.store else "embedded, objects in memory"
        return {**super().describe(), "testbed": "local JVM processes, one broker a cluster, S3 store", "s3": store}

    def start(self, progress: Progress = silent) -> None:
        """Start store and buckets, then all three. Raises UsageError (TestbedError with the log's reason)."""
        self._say = progress
        if not self._distribution.automq:
            progress(f"{self._distribution.home} holds no AutoMQ: its Kafka stands in")
        elif self.exactly_once:
            progress(EXACTLY_ONCE_WARNING)
        self.logs.mkdir(parents=True, exist_ok=True)
        try:
            self._provide_store()
            super().start(progress)
        except BaseException:
            self._end(keep_records=False)
            raise

    def _target_title(self) -> str:
        return self._distribution.title

    def _fetch(self, progress: Progress) -> dict[ClusterName, list[Path]]:
        return {**self._fetch_kafka(("source",), progress), "target": list(self._distribution.jars)}

    def _provide_store(self) -> None:
        if self._store is None:
            port = self._ports.take()
            self._store = embedded_store(port)
            command = [sys.executable, "-P", str(_STORE), str(port)]
            self._embedded = spawn(command, cwd=self.workdir, env=environment(), stdout=self.logs / "s3.log")
            _await_store(self._embedded, self._store)
        self._buckets = Buckets(self._store)
        self._buckets.create()

    def _new_broker(self, name: ClusterName, classpath: list[Path]) -> Broker:
        if name == "source":
            return super()._new_broker(name, classpath)
        store, buckets = self._store, self._buckets
        if store is None or buckets is None:
            raise RuntimeError("the testbed has not been started")
        port, controller_port = self._ports.take(self._wanted_ports[name]), self._ports.take()
        properties = self.workdir / f"{name}.properties"
        settings.write_broker(
            properties,
            self.workdir / name,
            port,
            controller_port,
            own=self._distribution.settings,
            store=store,
            buckets=(buckets.data, buckets.ops),
        )
        # Not kept: what a first run records is written at a graceful end, and AutoMQ takes too long for that.
        cache = ClassCache("automq", classpath, kept=False)
        self._format(name, cache, properties)
        program = self._program(
            "target broker",
            name,
            "kafka.Kafka",
            properties,
            "App info kafka.server for 1",
            options=settings.JVM_OPTIONS,
            env=settings.credentials(store),
            stop_grace_s=TIMINGS["AutoMQ"].stop_grace_s,
        )
        serves = functools.partial(probe.serves, "127.0.0.1", port)
        return Broker(name, self._versions[name], port, program, cache, serves)

    def _end(self, *, keep_records: bool) -> None:
        try:
            super()._end(keep_records=keep_records)
        finally:
            if self._embedded is not None:
                self._embedded.kill()
            elif self._buckets is not None and not self._options.keep:
                self._remove(self._buckets)

    def _remove(self, buckets: Buckets) -> None:
        try:
            buckets.remove()
        except UsageError as why:
            # What was rehearsed is not worth less for it.
            self._say(f"buckets {', '.join(buckets.made)} are left behind: {why}")


def _await_store(process: Process, store: S3Store) -> None:
    deadline = time.monotonic() + _STORE_LIMIT_S
    while True:
        try:
            httpx.get(store.endpoint, timeout=2, trust_env=False)
        except httpx.HTTPError:
            if not process.running or time.monotonic() > deadline:
                said = tail(process.log, 1)
                hint = f" ({EXTRA})" if "ModuleNotFoundError" in said else ""
                raise TestbedError(f"the embedded S3 store does not serve: {said or '(nothing)'}{hint}") from None
            time.sleep(0.05)
        else:
            return
