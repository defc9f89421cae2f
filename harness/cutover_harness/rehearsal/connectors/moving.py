"""The connectors of a batch on a Connect worker of their own, which is re-pointed as the plan's command would do it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.conductor.connect_clusters import ConnectCluster
from cutover_harness.conductor.waiting import Progress
from cutover_harness.errors import UsageError
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.plan.batch import ResolvedBatch
from cutover_harness.procedure.connectors import MovedConnector
from cutover_harness.procedure.restarted import RestartedClient
from cutover_harness.rehearsal.connectors.configs import sink_config, source_config
from cutover_harness.rehearsal.connectors.files import SinkFile, SourceFile
from cutover_harness.rehearsal.settings import NEEDS_PROCESSES
from cutover_harness.replay.instances import stems
from cutover_harness.testbed import ProcessTestbed, Testbed
from cutover_harness.testbed.file_connect import FileConnect
from cutover_harness.types import ClusterName, Role
from cutover_harness.waits import wait_until

_POLL_S = 0.2


@dataclass(frozen=True)
class Sink:
    """A sink connector: the group that it reads as, its topics and its file."""

    group: str
    topics: Sequence[str]
    file: SinkFile


class BatchConnectors:
    """The connectors of a batch. sources, sinks: by the connector's name."""

    def __init__(self, batch: ResolvedBatch, worker: FileConnect, folder: Path, run: int, patience_s: float) -> None:
        self.worker = worker
        self._patience_s = patience_s
        its = batch.connectors
        groups, producers = (its.groups, its.producers) if its is not None else ((), {})
        # Names of connectors are names of ledgers, too.
        name_of = stems([*(f"sink-{group}" for group in groups), *(f"source-{name}" for name in producers)])
        self.sources: Mapping[str, SourceFile] = {
            (name := name_of[f"source-{producer}"]): SourceFile(name, topic, folder / f"{name}.lines", run)
            for producer, topic in producers.items()
        }
        self.sinks: Mapping[str, Sink] = {
            (name := name_of[f"sink-{group}"]): Sink(
                group, batch.read_by(group, batch.topics), SinkFile(folder / f"{name}.lines")
            )
            for group in groups
        }

    @property
    def cluster(self) -> ConnectCluster:
        """Its Connect cluster, as the conductor reaches it."""
        return ConnectCluster(name="files", url=self.worker.url)

    @property
    def moved(self) -> list[MovedConnector]:
        """The connectors, as the conductor moves them."""
        clients: list[tuple[str, str, Role]] = [
            *((name, sink.group, "consumer") for name, sink in self.sinks.items()),
            *((name, name, "producer") for name in self.sources),
        ]
        return [
            MovedConnector(name, client, role, self.cluster.name, True, self._patience_s)
            for name, client, role in clients
        ]

    @property
    def restarts(self) -> list[RestartedClient]:
        """The same as clients without the shim, for the gates on their groups and topics."""
        return [RestartedClient(each.client, each.role, 1, self._patience_s, hooked=True) for each in self.moved]

    def start(self) -> None:
        """Create the connectors, and return when they run on the source. Raises UsageError."""
        self.worker.await_ready()
        configs = {name: source_config(name, each.file, each.topic) for name, each in self.sources.items()}
        configs |= {name: sink_config(each.group, each.file.file, each.topics) for name, each in self.sinks.items()}
        with closing(Connect(self.worker.url)) as connect:
            for name, config in configs.items():
                connect.put_config(name, config)
            for name in configs:
                wait_until(
                    lambda name=name: connect.status(name),  # type: ignore[misc]
                    self._patience_s,
                    done=lambda status: status is not None and status.tasks == ("RUNNING",),
                    backoff_s=_POLL_S,
                    failure=lambda status, name=name: UsageError(  # type: ignore[misc]
                        f"connector {name} does not run: {'not there' if status is None else status.failure or status}"
                    ),
                )

    def repoint(self, role: Role, place: ClusterName) -> None:
        """Point the worker to `place` if connectors of this role move there. Raises UsageError."""
        if any(each.role == role for each in self.moved):
            self.worker.point_to(place)

    def stored(self) -> dict[str, int]:
        """Return the position in its file that each source connector has stored. Raises UsageError."""
        with closing(Connect(self.worker.url)) as connect:
            found = {name: connect.offsets(name) for name in self.sources}
        return {
            name: max((int((at or {}).get("position", 0)) for _, at in offsets), default=0)
            for name, offsets in found.items()
        }

    def await_stored(self) -> None:
        """Wait until each source connector has stored the end of its file, as long as it makes progress."""
        progress = Progress(self._patience_s)
        while left := sum(max(0, self.sources[name].size - at) for name, at in self.stored().items()):
            if progress.stuck(left):
                return
            with closing(Connect(self.worker.url)) as connect:
                states = [connect.status(name) for name in self.sources]
            if any(state is None or state.connector == "STOPPED" for state in states):
                return  # left on hold, as the judge will see
            time.sleep(_POLL_S)


def connectors_on(
    testbed: Testbed, batches: Sequence[ResolvedBatch], folder: Path, run: int, patience_s: float
) -> dict[str, BatchConnectors]:
    """Return the connectors of each batch that has any, with a worker each; none of them runs yet. Raises UsageError.

    folder: of the connectors' files. patience_s: how long stopping or starting them may take.
    """
    its = [batch for batch in batches if batch.connectors is not None]
    if its and not isinstance(testbed, ProcessTestbed):
        raise UsageError(NEEDS_PROCESSES)
    found = {}
    for number, batch in enumerate(its, 1):
        assert isinstance(testbed, ProcessTestbed)  # noqa: S101 - checked above
        folder.mkdir(parents=True, exist_ok=True)
        worker = testbed.file_connect(f"connect-files-{number}")
        found[batch.name] = BatchConnectors(batch, worker, folder, run, patience_s)
    return found
