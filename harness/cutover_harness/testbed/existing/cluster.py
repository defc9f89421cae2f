"""Existing clusters, and Connect, as parts of a testbed: reachable, but their machines are not ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from cutover_harness.errors import UnavailableError
from cutover_harness.properties_file import read_properties
from cutover_harness.testbed.base import BrokerNode, TestbedError
from cutover_harness.types import ClusterName


class ForeignNode:
    """A process on a machine that is not ours: no fault of it is available."""

    def kill(self) -> NoReturn:
        """Raise UnavailableError."""
        self._refuse()

    def freeze(self) -> NoReturn:
        """Raise UnavailableError."""
        self._refuse()

    def thaw(self) -> NoReturn:
        """Raise UnavailableError."""
        self._refuse()

    def stopped(self) -> bool:
        """Return False: as far as is known it runs."""
        return False

    def stop(self) -> NoReturn:
        """Raise UnavailableError."""
        self._refuse()

    def restart(self) -> NoReturn:
        """Raise UnavailableError."""
        self._refuse()

    @staticmethod
    def _refuse() -> NoReturn:
        raise UnavailableError("existing clusters run on machines that are not the rehearsal's")


@dataclass(frozen=True)
class ExistingCluster(ForeignNode):
    """A cluster that exists already; `properties` are librdkafka's, with secrets."""

    name: ClusterName
    version: str
    properties: Mapping[str, str] = field(repr=False)
    brokers: Sequence[BrokerNode] = field(default=(), init=False)

    @property
    def bootstrap(self) -> str:
        """Its `bootstrap.servers`."""
        return self.properties["bootstrap.servers"]

    @property
    def connect_bootstrap(self) -> str:
        """The same address; if Connect needs another one, it is in Connect's own properties."""
        return self.bootstrap

    def client_config(self) -> dict[str, str]:
        """Return the properties that reach it."""
        return dict(self.properties)


def read_cluster(name: ClusterName, file: Path, version: str | None) -> ExistingCluster:
    """Return the cluster with the properties in `file`, references resolved. Raises UsageError."""
    found = read_properties(file)
    servers = found.pop("metadata.broker.list", None)
    found.setdefault("bootstrap.servers", servers or "")
    if "ssl.keystore.location" in found:
        raise TestbedError(
            f"properties {file}: ssl.keystore.location cannot be passed on to Connect: give the certificate and its "
            f"key as PEM, in ssl.certificate.location and ssl.key.location"
        )
    for key in ("group.id", "client.id", "transactional.id"):
        if key in found:
            raise TestbedError(f"properties {file}: {key} is set by the rehearsal: leave it out")
    return ExistingCluster(name, version or "of unknown version", {"bootstrap.servers": servers or "", **found})
