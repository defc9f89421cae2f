"""Configuration of a conductor: `conductor.json` in its folder, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from cutover_shim.cutover_file import Cluster
from pydantic import Field, PlainValidator, field_validator, model_validator

from cutover_harness.channels.names import parse_channels
from cutover_harness.channels.opening import clusters_in, only_references, own_clusters
from cutover_harness.conductor.connect_clusters import (
    FOLDER,
    ClusterId,
    ConnectCluster,
    ConnectClusters,
    MovedConnector,
)
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, Kubernetes
from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.journalled_gates import ASKED_WITHIN_S, When
from cutover_harness.conductor.owner import Owner, refuse_other, this_run
from cutover_harness.conductor.statuses import StatusSource, open_statuses, own_topics, place_of, topic_of
from cutover_harness.configfile import ConfigFile, with_paths
from cutover_harness.errors import UsageError
from cutover_harness.mirror import OPEN, Batch, ConnectAccess, MirrorSpec, TwoWayMirror, seen_by_connect
from cutover_harness.plan.scenario import Gates, PathStep, PreconditionKind
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.restarted import RestartedClient
from cutover_harness.types import Role

CONFIG, LOCK, JOURNAL = "conductor.json", "conductor.lock", "journal.sqlite"
RUN_SUFFIX = ".run"
"""What the folder of a plan's run is called: `shop.run` for `shop.yaml`."""
PLAN = "plan.yaml"
"""The plan in the folder of a plan's run."""
BATCHES = "batches"
"""Folder of a run in which each batch has a folder of its own."""


def run_folder(folder: Path) -> Path:
    """Return the folder of the run that a conductor's folder belongs to."""
    return folder.parent.parent if folder.parent.name == BATCHES else folder


def _place(given: Any) -> Path | str:
    if isinstance(given, Path):
        return given
    try:
        if isinstance(given, str):
            return place_of(given)
    except UsageError as why:
        raise ValueError(str(why)) from None
    raise ValueError("is neither a folder nor kafka:TOPIC")


class ConductorConfig(ConfigFile):
    """Configuration that a conductor is started with."""

    what = "conductor configuration"

    route: str
    topics: list[str]
    exclude: list[str] = Field(default=[])
    groups: list[str]
    clients: dict[str, Role]
    members: dict[str, int] | None = None
    restarts: list[RestartedClient] = Field(default=[])
    """Clients without the shim, in a fleet of which others are on it."""
    connectors: list[MovedConnector] = Field(default=[])
    """Those of `restarts` that are connectors."""
    connect_clusters: list[ConnectCluster] = Field(default=[])
    fence: list[str] = Field(default=[])
    """Principals that may not write to the topics of the source once producers have left it."""
    steps: list[PathStep]
    gates: Gates
    preconditions: list[tuple[StepName, PreconditionKind]] = Field(default=[])
    traffic_within_s: float = 0.0
    asks: list[tuple[StepName, When]] = Field(default=[])
    asked_within_s: float = Field(default=ASKED_WITHIN_S, gt=0)
    approvals: bool = False
    """Whether a person approves the steps that begin something."""
    plan: Path | None = None
    """The plan whose batch is compared, record by record, before the mirror is deleted; None: a rehearsal's."""
    accept_unproved: bool = False
    """Whether a person has accepted that not every record can be compared."""
    accept_bypass: bool = False
    """Whether a person has accepted records that bypassed the route and that nothing copies."""
    on_missed: Literal["stop", "rollback"] = "stop"
    connect_url: str
    reverse_connect_url: str | None = None
    connect_bootstrap: dict[str, str] = Field(default={})
    """How Connect reaches `source` and `target` where not at the address in the cutover file."""
    connect_logs: list[Path] = Field(default=[])
    """The Connect workers' logs if they can be read here."""
    secrets_folder: Path | None = None
    """The folder from which the Connect workers read secrets."""
    compare_rate: float | None = Field(default=None, gt=0)
    """Bytes of records per second that the comparison of both clusters' logs reads at most, None for no limit."""
    exactly_once: bool = False
    access: ConnectAccess = OPEN
    """How Connect is reached, and how it reaches the clusters if not with the properties in the cutover file."""
    prefix: str = ""
    """Prefix of everything that the mirror creates, see `Batch`."""
    cutover_file: Path
    channels: list[str] = Field(default=[])
    """Channels that get each document in addition to the cutover file."""
    key: str | None = None
    """References to the keys that documents are signed with, never the keys themselves."""
    kubernetes: Kubernetes | None = None
    """How ConfigMaps among the channels are written, None for the usual ways."""
    source_properties: Path | None = None
    target_properties: Path | None = None
    """Properties with which the conductor and the mirror reach the clusters, None for those in the cutover file."""
    lease_s: float = Field(default=60.0, gt=0)
    """How long a lease lasts if it is not renewed."""
    statuses: Annotated[Path | str, PlainValidator(_place)]
    """Where clients report their statuses: a folder, or `kafka:TOPIC` on the source cluster."""
    journal: Path

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, raw: Any) -> Any:
        """Leave out what earlier versions wrote and a run can be resumed without."""
        return {key: value for key, value in raw.items() if key != "lag_at"} if isinstance(raw, dict) else raw

    @field_validator("channels")
    @classmethod
    def _names_of_channels(cls, names: list[str]) -> list[str]:
        try:
            parse_channels(names)
        except UsageError as why:
            raise ValueError(str(why)) from None
        return names

    @field_validator("key")
    @classmethod
    def _only_references(cls, key: str | None) -> str | None:
        return only_references(key)  # where the configuration is written, the keys need not be readable

    @classmethod
    def load(cls, file: Path) -> Self:
        """Return the configuration in `file`; one that was written with absolute paths follows its folder, too."""
        found = super().load(file)
        was, here = run_folder(found.journal.parent), run_folder(file.parent.absolute())
        return with_paths(found, lambda path: here / path.relative_to(was) if path.is_relative_to(was) else path)

    @property
    def lock(self) -> Path:
        """The file that the one conductor of the journal holds a lock on."""
        return self.journal.with_name(LOCK)

    @property
    def external(self) -> bool:
        """Whether the cutover file lies outside of the run's folder, as on real clusters."""
        return not self.cutover_file.is_relative_to(run_folder(self.journal.parent))

    @property
    def leased(self) -> bool:
        """Whether a lease keeps other operators out; the clusters of a rehearsal have none."""
        return self.external or self.plan is not None

    def refuse_other_run(self, begun_ns: int) -> Owner:
        """Return this run as its cutover file's record names it. Raises UsageError if that names another one."""
        mine = this_run(self.journal.parent, begun_ns)
        if self.external:
            refuse_other(self.cutover_file, self.route, mine, has_ended)
        return mine

    @property
    def batch(self) -> Batch:
        """What its mirror moves."""
        # The conductor writes the control topic on each cluster: mirrored documents would arrive a second time, late.
        # Statuses are read on the source alone.
        own = own_topics(self.channels, self.statuses)
        return Batch(self.route, tuple(self.topics), tuple(self.groups), (*self.exclude, *sorted(own)), self.prefix)

    @property
    def own(self) -> dict[str, Cluster] | None:
        """The clusters as the conductor reaches them, None if that is as in the cutover file. Raises UsageError."""
        return own_clusters(self.source_properties, self.target_properties)

    def writer(self) -> CutoverFileWriter:
        """Return the writer of the fleet's document. Raises UsageError."""
        return CutoverFileWriter.open(self.cutover_file, self.channels, self.key, self.kubernetes, self.own)

    def peek(self, *, file_only: bool = False) -> CutoverFileWriter:
        """Return the same writer, without channels if `file_only`, and change nothing. Raises UsageError."""
        channels = [] if file_only else self.channels
        return CutoverFileWriter.peek(self.cutover_file, channels, self.key, self.kubernetes, self.own)

    def clusters(self, text: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return the properties of source and target, references resolved; `text`: of a cutover file."""
        clusters = self.own or clusters_in(text)
        source, target = (
            {name: str(value) for name, value in clusters[cluster].properties.items()}
            for cluster in ("source", "target")
        )
        return source, target

    def open_statuses(self, document: str) -> StatusSource:
        """Return the reader of the clients' statuses, on the source cluster of `document`; it has to be closed."""
        if topic_of(self.statuses) is None:
            return open_statuses(self.statuses, {})
        cluster = (self.own or clusters_in(document))["source"]
        return open_statuses(self.statuses, cluster.properties, cluster.redact)

    def connects(self, source: ClusterId, target: ClusterId) -> ConnectClusters:
        """Return the Connect clusters whose connectors move; they have to be closed. Parameters: read clusters' ids."""
        folder = self.journal.with_name(FOLDER)
        return ConnectClusters(self.connect_clusters, folder, {"source": source, "target": target})

    def mirror(self, source: Mapping[str, str], target: Mapping[str, str]) -> TwoWayMirror:
        """Return the mirror of the route; it has to be closed."""
        return TwoWayMirror(
            MirrorSpec(
                self.batch,
                self.connect_url,
                seen_by_connect(source, self.connect_bootstrap.get("source")),
                seen_by_connect(target, self.connect_bootstrap.get("target")),
                exactly_once=self.exactly_once,
                reverse_connect_url=self.reverse_connect_url,
                connect_logs=tuple(self.connect_logs),
                secrets_folder=self.secrets_folder,
                access=self.access,
                compare_rate=self.compare_rate,
                stall_s=self.gates.deadline_s / 2,  # before the gate's deadline, so that the gate names the reason
            )
        )


def has_ended(folder: Path) -> bool:
    """Whether the run in `folder` has come to its end; False if that cannot be read."""
    try:
        config = ConductorConfig.load(folder / CONFIG)
        return inspect(config.journal, config.steps, config.groups)[-1].kind == "end"
    except UsageError:
        return False
