"""What is read of Connect for the preflight of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cutover_harness.preflight.model import Version
from cutover_harness.types import ClusterName

MIRROR = "org.apache.kafka.connect.mirror."
PLUGINS = tuple(f"{MIRROR}Mirror{kind}Connector" for kind in ("Source", "Checkpoint", "Heartbeat"))

PREFIX = "kafka-cutover-probe-"
"""How names of probing connectors begin."""


@dataclass(frozen=True)
class RunningConnector:
    """A connector and the states of its tasks; group: of a sink connector; failure: why a task FAILED."""

    state: str
    tasks: tuple[str, ...] = ()
    group: str | None = None
    failure: str | None = None


@dataclass(frozen=True)
class Probe:
    """What a probing connector has shown: whether Connect reaches each cluster, None if it could not be told.

    why: the reason of a failure, empty if there is none. left: what could not be removed.
    """

    reached: Mapping[ClusterName, bool | None]
    why: str = ""
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConnectSeen:
    """The Connect cluster of the mirror.

    address: without secrets. problem: why it cannot be used at all, None if it answers. invalid: errors that it finds
    in the mirror's configurations, by batch. probe: None if it was not asked for.
    """

    address: str
    problem: str | None = None
    version: str = ""
    cluster_id: str | None = None
    plugins: Sequence[str] = ()
    names: Sequence[str] = ()
    invalid: Mapping[str, Sequence[str]] = field(default_factory=dict)
    probe: Probe | None = None

    @property
    def number(self) -> Version | None:
        """Its version as numbers, None if it has another form."""
        parts = self.version.split("-")[0].split(".")
        return tuple(int(part) for part in parts[:2]) if all(part.isdigit() for part in parts[:2]) else None
