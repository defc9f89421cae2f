"""What a testbed is, whatever it is made of: two clusters and a Kafka Connect that mirrors between them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from cutover_harness.errors import UsageError

Progress = Callable[[str], None]
ClusterName = Literal["source", "target"]
TargetKind = Literal["stand-in", "AutoMQ"]


class TestbedError(UsageError):
    """A part of the testbed did not come up or went away; the message says which, and what its log says about it."""

    __test__ = False  # the name is not a test's


class UnavailableError(Exception):
    """A fault that this testbed, or the machine below it, cannot bring about; the message says why."""


class Node(Protocol):
    """Something that can fail: a broker or the Connect worker."""

    def kill(self) -> None:
        """End it without warning (SIGKILL)."""
        ...

    def freeze(self) -> None:
        """Let it stand still with its connections open (SIGSTOP)."""
        ...

    def thaw(self) -> None:
        """Go on after `freeze`."""
        ...

    def stopped(self) -> bool:
        """Tell whether it stands still or does not run right now."""
        ...

    def stop(self) -> str | None:
        """Shut it down in good order; return in words that it was killed, where it did not end by itself."""
        ...

    def restart(self) -> None:
        """Shut it down in good order where it runs, start it at the same address, return when it serves."""
        ...


class Cluster(Node, Protocol):
    """One Kafka cluster."""

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


class Testbed(Protocol):
    """Two clusters and a Connect worker, with a folder for everything that they write.

    As a context manager it is running inside the block and leaves nothing behind but files.
    """

    @property
    def kind(self) -> str:
        """What it is made of, such as "process"."""
        ...

    @property
    def target_kind(self) -> TargetKind:
        """Whether the target is AutoMQ or stands in for it."""
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
        """Return the address of a Connect that can mirror from target to source; UsageError where there is none."""
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
        """Return what a report has to say about it: label -> text, free of secrets."""
        ...

    def start(self, progress: Progress = ...) -> None:
        """Start everything and return when it serves. Raises UsageError where the environment is not fit for it."""
        ...

    def stop(self) -> None:
        """End everything that `start` started; once more does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
