"""Context of a run's faults: processes, clusters, topics, cutover file; built before the path begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cutover_harness.admin import Admin
    from cutover_harness.capture.format import TopicInfo
    from cutover_harness.mirror import Mirror
    from cutover_harness.mirror.log_reader import LogReader
    from cutover_harness.procedure.client_status import ClientStatus
    from cutover_harness.replay.fleet import Fleet
    from cutover_harness.testbed import Cluster, Node
    from cutover_harness.types import ClusterName


class Killable(Protocol):
    """A process that can be killed and started again."""

    def kill(self) -> None:
        """SIGKILL."""
        ...

    def stopped(self) -> bool:
        """Return whether it was stopped by that."""
        ...

    def restart(self) -> None:
        """Start it again."""
        ...


@dataclass(frozen=True)
class CutoverFileContext:
    """The cutover file.

    first: its content before the path began.
    statuses: returns the latest status of each client that follows it.
    """

    path: Path
    first: bytes
    statuses: Callable[[], Sequence[ClientStatus]]


class Mounted(Protocol):
    """Copies of the cutover file, one for each instance."""

    def pin(self, instance: str) -> None:
        """Never change the copy of `instance` again, until it is mounted afresh."""
        ...

    def generations(self) -> Mapping[str, int | None]:
        """Return the generation that the copy of each instance has."""
        ...


class ControlTopicContext(Protocol):
    """The control topic on the clusters."""

    @property
    def clusters(self) -> Sequence[ClusterName]:
        """The clusters that have it."""
        ...

    def channel(self, cluster: ClusterName) -> str:
        """Return the name that it has in statuses."""
        ...

    def produce(self, cluster: ClusterName, content: bytes) -> None:
        """Write a record with the key of documents; returns when it is stored. Raises KafkaException."""
        ...


@dataclass(frozen=True)
class TopicsContext:
    """The topics of a batch on both clusters.

    topics: what each was created with. admin, log_reader, mirror: make one, since a client may not survive a fault.
    """

    topics: Mapping[str, TopicInfo]
    groups: Sequence[str]
    admin: Callable[[ClusterName], Admin]
    log_reader: Callable[[ClusterName], AbstractContextManager[LogReader]]
    mirror: Callable[[], Mirror]


@dataclass
class FaultContext:
    """Objects that faults affect.

    nodes: processes by the word in `of`, looked up when a fault is injected: an app that was restarted is another one.
    cluster: returns one of the two clusters.
    conductor: of the first batch; the path waits while it is down.
    mounts: copies of the cutover file that instances follow, None if they follow the file itself.
    control: the control topic, None if instances read none.
    patience_s: how long a fault waits for clients or groups before it counts as not proved.
    """

    fleet: Fleet
    cutover_file: CutoverFileContext
    topics: TopicsContext
    patience_s: float
    nodes: Mapping[str, Callable[[], Node]]
    cluster: Callable[[ClusterName], Cluster]
    mounts: Mounted | None = None
    control: ControlTopicContext | None = None
    conductor: Killable | None = None
