"""Protocols of a testbed of any kind: two clusters and a Kafka Connect that mirrors between them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from cutover_harness.errors import UsageError
from cutover_harness.mirror.connect_access import OPEN, ConnectAccess
from cutover_harness.types import ClusterName

Progress = Callable[[str], None]


def silent(_message: str) -> None:
    """Drop the message: the progress of a caller that shows none."""


TargetKind = Literal["stand-in", "AutoMQ"]


class TestbedError(UsageError):
    """A part of the testbed did not come up or went away; the message names it and quotes its log."""

    __test__ = False  # the name is not a test's


class Node(Protocol):
    """Something that can fail: a broker or the Connect worker."""

    def kill(self) -> None:
        """End it without warning (SIGKILL)."""
        ...

    def freeze(self) -> None:
        """Freeze it with its connections open (SIGSTOP)."""
        ...

    def thaw(self) -> None:
        """Resume it after `freeze`."""
        ...

    def stopped(self) -> bool:
        """Return whether it is frozen or does not run."""
        ...

    def stop(self) -> str | None:
        """Shut it down; return a text that it was killed if it did not end by itself, otherwise None."""
        ...

    def restart(self) -> None:
        """Shut it down if it runs, start it at the same address, return when it serves."""
        ...


class BrokerNode(Node, Protocol):
    """One broker."""

    @property
    def node_id(self) -> int:
        """Its id in the cluster's metadata."""
        ...


class Cluster(Node, Protocol):
    """One Kafka cluster. As a node it stands for all its brokers together."""

    @property
    def brokers(self) -> Sequence[BrokerNode]:
        """Its brokers; empty if they are on machines that are not the testbed's."""
        ...

    @property
    def name(self) -> ClusterName:
        """Which of the two it is."""
        ...

    @property
    def version(self) -> str:
        """Its version of Kafka, or of AutoMQ."""
        ...

    @property
    def bootstrap(self) -> str:
        """Its `bootstrap.servers`."""
        ...

    @property
    def connect_bootstrap(self) -> str:
        """Its `bootstrap.servers` as the Connect worker reaches it."""
        ...

    def client_config(self) -> dict[str, str]:
        """Return the librdkafka properties that reach it, `bootstrap.servers` first. May hold secrets."""
        ...


class OwnClusters:
    """What a testbed has whose clusters are the run's own: no prefix, an open Connect, nothing to remove."""

    prefix = ""
    access = OPEN
    left: Sequence[str] = ()


class Testbed(Protocol):
    """Two clusters and a Connect worker, with a folder for everything that they write.

    As a context manager it is running inside the block and leaves nothing behind but files.
    """

    @property
    def kind(self) -> str:
        """The kind of its nodes, such as "process"."""
        ...

    @property
    def target_kind(self) -> TargetKind:
        """Whether the target is AutoMQ or stands in for it."""
        ...

    @property
    def prefix(self) -> str:
        """The prefix of every name that a run creates on its clusters; empty if the clusters are the run's own."""
        ...

    @property
    def access(self) -> ConnectAccess:
        """The access to Connect's REST interface."""
        ...

    @property
    def source(self) -> Cluster:
        """The cluster that applications move away from."""
        ...

    @property
    def target(self) -> Cluster:
        """The cluster that they move to."""
        ...

    @property
    def worker(self) -> Node:
        """The Connect worker."""
        ...

    @property
    def connect_url(self) -> str:
        """The address of Connect's REST interface."""
        ...

    @property
    def connect_logs(self) -> Sequence[Path]:
        """The files that its Connect workers log to while they run; empty if there are none on this machine."""
        ...

    @property
    def secrets_folder(self) -> Path | None:
        """The folder from which its Connect workers read secrets; None if they read none from this machine."""
        ...

    def reverse_connect_url(self) -> str:
        """Return the address of a Connect that can mirror from target to source; raises UsageError if there is none."""
        ...

    @property
    def left(self) -> Sequence[str]:
        """What `stop` could not remove from clusters that go on to exist, in words."""
        ...

    @property
    def exactly_once(self) -> bool:
        """Whether the worker writes in transactions (KIP-618)."""
        ...

    @property
    def workdir(self) -> Path:
        """The folder for everything that it writes."""
        ...

    @property
    def logs(self) -> Path:
        """The folder for its logs, below `workdir`."""
        ...

    def describe(self) -> dict[str, str]:
        """Return its description for the report: label -> text, without secrets."""
        ...

    def start(self, progress: Progress = ...) -> None:
        """Start everything and return when it serves. Raises UsageError if the environment lacks something."""
        ...

    def stop(self) -> None:
        """End everything that `start` started; a second call does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
