"""The Connect clusters whose connectors move with a batch: REST requests, and what the run keeps of each connector.

A connector's configuration may contain secrets: it is only in a private file of the run, and on Connect itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

from cutover_harness.errors import UsageError
from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.inputs import read_input
from cutover_harness.mirror import OPEN, ConnectAccess
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.procedure.connectors import ConnectorState, Kept, MovedConnector, Offset, differing, patch
from cutover_harness.types import ClusterName

__all__ = ["FOLDER", "ClusterId", "ConnectCluster", "ConnectClusters", "MovedConnector"]

FOLDER = "connectors"
ClusterId = Callable[[], str | None]
"""Reads the id of a Kafka cluster, None if it has none."""
CREATES_STOPPED = (3, 7)
"""KIP-980: a connector can be created stopped."""
_PATIENCE_S, _TIMEOUT_S = 3.0, 15.0


class ConnectCluster(BaseModel):
    """A Connect cluster of the plan. target_url: another one, to which its connectors move; None: it is re-pointed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    url: str
    access: ConnectAccess = OPEN
    target_url: str | None = None
    target_access: ConnectAccess = OPEN

    def open(self, place: ClusterName) -> Connect:
        """Return the client of the Connect cluster for `place`; it has to be closed. Raises UsageError."""
        there = place == "target" and self.target_url is not None
        url, access = (str(self.target_url), self.target_access) if there else (self.url, self.access)
        return Connect(url, patience_s=_PATIENCE_S, timeout_s=_TIMEOUT_S, access=access)


class KeptConnector(BaseModel):
    """What a file of the run keeps of a connector."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    connector: str
    home: ClusterName = "source"
    tasks: int = 0
    complete: bool = False
    config: dict[str, str] = {}
    offsets: list[tuple[dict[str, Any], dict[str, Any] | None]] = []


def version_of(root: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return Kafka's version of a Connect cluster, None if it has another form than Kafka's or Confluent's."""
    text, _, build = str(root.get("version")).partition("-")
    parts = text.split(".")[:2]
    if len(parts) < 2 or not all(part.isdigit() for part in parts):
        return None
    major, minor = map(int, parts)
    # Confluent Platform 7.6 is Kafka 3.6.
    return (major - 4, minor) if build.startswith(("ccs", "ce")) and major >= 5 else (major, minor)


class ConnectClusters:
    """The Connect clusters of a batch. ids: return the id of each Kafka cluster. folder: where connectors are kept."""

    def __init__(
        self,
        clusters: Sequence[ConnectCluster],
        folder: Path,
        ids: Mapping[ClusterName, ClusterId],
    ) -> None:
        self._clusters = {each.name: each for each in clusters}
        self._folder, self._read_ids = folder, ids
        self._ids: dict[ClusterName, str | None] = {}
        self._clients: dict[tuple[str, ClusterName], Connect] = {}

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()

    def client(self, cluster: str, place: ClusterName) -> Connect:
        """Return the REST client of the Connect cluster for `place`."""
        if (cluster, place) not in self._clients:
            self._clients[cluster, place] = self._clusters[cluster].open(place)
        return self._clients[cluster, place]

    def works_elsewhere(self, cluster: str, place: ClusterName) -> str | None:
        """Return, in words, where the Connect cluster for `place` works if not there; None if it does."""
        found, wanted = self.client(cluster, place).root().get("kafka_cluster_id"), self._id(place)
        if found is None or wanted is None:
            return f"may not work on {place}: {'Connect' if found is None else place} reports no cluster id"
        if found == wanted:
            return None
        other: ClusterName = "source" if place == "target" else "target"
        return f"works on {other}" if found == self._id(other) else f"works on another cluster, {found}"

    def _id(self, place: ClusterName) -> str | None:
        if self._ids.get(place) is None:
            self._ids[place] = self._read_ids[place]()
        return self._ids[place]

    def elsewhere(self, connector: MovedConnector, place: ClusterName) -> str | None:
        """Return, in words, where the connector's Connect cluster works if not on `place`; None if it does."""
        return self.works_elsewhere(connector.cluster, place)

    def state(self, connector: MovedConnector, place: ClusterName) -> ConnectorState:
        """Return what Connect reports of a connector."""
        status = self.client(connector.cluster, place).status(connector.name)
        if status is None:
            return ConnectorState(None)
        return ConnectorState(status.connector, status.tasks, status.failure)

    def offsets(self, connector: MovedConnector, place: ClusterName) -> Sequence[Offset]:
        """Return the offsets that a source connector has stored."""
        return self.client(connector.cluster, place).offsets(connector.name)

    def kept(self, connector: MovedConnector) -> Kept:
        """Return what the run keeps of a connector."""
        found = self._load(connector)
        return Kept(found.home, found.tasks, found.complete, found.offsets)

    def content(self, connector: MovedConnector) -> tuple[Mapping[str, str], Sequence[Offset]]:
        """Return configuration and offsets, as kept if the connector has stopped, otherwise as they are now."""
        kept = self._load(connector)
        if kept.complete:
            return kept.config, kept.offsets
        client = self.client(connector.cluster, kept.home)
        offsets = client.offsets(connector.name) if connector.role == "producer" else []
        return client.config(connector.name) or {}, offsets

    def stop(self, connector: MovedConnector) -> None:
        """Request that a connector stops where it ran last."""
        kept = self._load(connector)
        if self.elsewhere(connector, kept.home) is not None:
            return
        client = self.client(connector.cluster, kept.home)
        status = client.status(connector.name)
        if status is None or (status.connector == "STOPPED" and not status.tasks):
            return
        # Also if it was kept as complete: a person may have resumed it.
        self._save(kept.model_copy(update={"tasks": len(status.tasks) or kept.tasks, "complete": False}))
        client.set_state(connector.name, "stop")

    def keep(self, connector: MovedConnector) -> None:
        """Keep configuration and offsets of a stopped connector."""
        kept = self._load(connector)
        if self.elsewhere(connector, kept.home) is not None:
            return
        client = self.client(connector.cluster, kept.home)
        if (config := client.config(connector.name)) is None:
            raise UsageError(f"connector {connector.name} is not on Connect {connector.cluster}")
        offsets = client.offsets(connector.name) if connector.role == "producer" else []
        self._save(kept.model_copy(update={"complete": True, "config": config, "offsets": offsets}))

    def prepare(self, connector: MovedConnector, place: ClusterName, *, carried: bool) -> None:
        """Create the connector, stopped, and set the offsets that it had if they are `carried` over."""
        kept = self._load(connector)
        if kept.home == place:
            return
        if not kept.complete:
            raise UsageError(
                f"connector {connector.name}: its offsets on {kept.home} were not read before Connect "
                f"{connector.cluster} left it: point it back to {kept.home}, and repeat"
            )
        client = self.client(connector.cluster, place)
        self._create(client, connector, kept, place)
        if carried and connector.role == "producer":
            there = client.offsets(connector.name)
            if differing(kept.offsets, there) is not None:
                client.patch_offsets(connector.name, patch(kept.offsets, there))

    @staticmethod
    def _create(client: Connect, connector: MovedConnector, kept: KeptConnector, place: ClusterName) -> None:
        name, status = connector.name, client.status(connector.name)
        stopped = (version_of(client.root()) or CREATES_STOPPED) >= CREATES_STOPPED
        if status is None and stopped:
            client.create_stopped(name, kept.config)
        elif status is None:
            client.put_config(name, kept.config)  # a sink connector, whose group has its offsets already
            client.set_state(name, "stop")
        elif status.connector != "STOPPED" and stopped:
            raise UsageError(
                f"connector {name} is {status.connector} on {place}, before its offsets were set: stop it, and look "
                f"for what it has done there twice; Connect's own topics must not be in the batch"
            )
        elif status.connector != "STOPPED":
            client.set_state(name, "stop")  # created by an attempt that was interrupted
        elif place == "target":
            client.put_config(name, kept.config)  # of an earlier attempt; on the source it is the user's own

    def resume(self, connector: MovedConnector, place: ClusterName) -> None:
        """Resume a prepared connector."""
        client = self.client(connector.cluster, place)
        status = client.status(connector.name)
        kept = self._load(connector)
        if kept.home != place or kept.complete:
            self._save(kept.model_copy(update={"home": place, "complete": False}))
        if status is not None and status.connector in ("STOPPED", "PAUSED"):
            client.set_state(connector.name, "resume")

    def _file(self, connector: MovedConnector) -> Path:
        return self._folder / f"{quote(connector.name, safe='')}.json"

    def _load(self, connector: MovedConnector) -> KeptConnector:
        file = self._file(connector)
        if not file.exists():
            return KeptConnector(connector=connector.name)
        try:
            return KeptConnector.model_validate_json(read_input(file, "kept connector"))
        except ValidationError as why:
            place = ".".join(map(str, why.errors()[0]["loc"])) or "file"
            raise UsageError(f"kept connector {file}: {place}: is damaged: restore it from a copy") from None

    def _save(self, kept: KeptConnector) -> None:
        file = self._folder / f"{quote(kept.connector, safe='')}.json"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_atomic(file, kept.model_dump_json(indent=1), mode=PRIVATE, durable=True)
        except OSError as why:
            raise UsageError(f"{file}: cannot be written: {why.strerror}") from None
