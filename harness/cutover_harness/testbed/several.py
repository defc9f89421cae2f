"""A cluster of several brokers on the process testbed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cutover_harness.testbed.base import Cluster
from cutover_harness.testbed.nodes import Broker, JvmNode, launch_all
from cutover_harness.types import ClusterName


class LocalCluster(Cluster, Protocol):
    """A cluster whose nodes are processes of this machine: one broker, or several."""

    @property
    def pid(self) -> int | None:
        """The process id of its first broker, None while there is no process."""
        ...

    @property
    def brokers(self) -> Sequence[Broker]:
        """Its brokers."""
        ...

    @property
    def running(self) -> bool:
        """Whether a broker of it has a process, frozen or not."""
        ...

    @property
    def keepers(self) -> Sequence[JvmNode]:
        """The processes besides its brokers: a controller, if that is a process of its own."""
        ...


class BrokerCluster:
    """Several brokers and what keeps their metadata. What is done to the cluster is done to all brokers.

    `metadata` is the controller, None if ZooKeeper keeps the metadata; no fault touches it.
    """

    def __init__(self, name: ClusterName, version: str, brokers: Sequence[Broker], metadata: JvmNode | None) -> None:
        self.name: ClusterName = name
        self.version = version
        self.brokers = tuple(brokers)
        self.bootstrap = self.connect_bootstrap = ",".join(broker.bootstrap for broker in brokers)
        self._metadata = metadata

    @property
    def keepers(self) -> Sequence[JvmNode]:
        """The processes besides its brokers: a controller, if that is a process of its own."""
        return () if self._metadata is None else (self._metadata,)

    @property
    def running(self) -> bool:
        """Whether a broker of it has a process, frozen or not."""
        return any(broker.running for broker in self.brokers)

    @property
    def pid(self) -> int | None:
        """The process id of its first broker, None while there is no process."""
        return self.brokers[0].pid

    def client_config(self) -> dict[str, str]:
        """Return the librdkafka properties that reach it."""
        return {"bootstrap.servers": self.bootstrap}

    def kill(self) -> None:
        """End all brokers without warning (SIGKILL)."""
        for broker in self.brokers:
            broker.kill()

    def freeze(self) -> None:
        """Freeze all brokers with their connections open (SIGSTOP)."""
        for broker in self.brokers:
            broker.freeze()

    def thaw(self) -> None:
        """Resume them after `freeze` (SIGCONT)."""
        for broker in self.brokers:
            broker.thaw()

    def stopped(self) -> bool:
        """Return whether each broker is frozen or does not run."""
        return all(broker.stopped() for broker in self.brokers)

    def stop(self) -> str | None:
        """Shut all down at the same time; return a text about those that were killed, None if none was."""
        for broker in self.brokers:
            broker.terminate()
        said = [f"broker {broker.node_id} {how}" for broker in self.brokers if (how := broker.stop()) is not None]
        return "; ".join(said) or None

    def restart(self) -> None:
        """Stop those that run, start all again, return when they serve."""
        self.stop()
        launch_all(self.brokers)
