"""A batch and the settings of its mirror."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cutover_harness.globs import matches
from cutover_harness.internal_topics import never_mirrored
from cutover_harness.mirror.client_properties import java
from cutover_harness.mirror.connect_access import OPEN, ConnectAccess
from cutover_harness.mirror.errors import MirrorError

STALL_S = 60.0


def untranslatable(group: str) -> str | None:
    """Return why MirrorMaker 2 never translates offsets of a group with this name, None if it does.

    Its connector passes the names to its tasks in a comma-separated list without escapes: group "a,b" becomes the two
    groups "a" and "b", whose offsets it would write instead.
    """
    if "," not in group and group == group.strip():
        return None
    return (
        f"MirrorMaker 2 cannot translate offsets of group {group!r}, as it passes names on in a comma-separated list "
        f"(a comma or an outer blank does not survive): rename the group, or move it without the mirror"
    )


@dataclass(frozen=True)
class Batch:
    """Topics and groups that are mirrored together: names or globs, as in the cutover file.

    prefix: with which everything begins that the mirror creates on clusters that others use, too; without it the
    clusters are the run's own, or the names belong to the migration itself.

    Raises MirrorError for a name of a batch, topic or group that MirrorMaker 2 cannot handle.
    """

    name: str
    topics: tuple[str, ...]
    groups: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    prefix: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", self.name):
            raise MirrorError(f"batch name {self.name!r}: use letters, digits, dot, dash and underscore")
        for topic in self.topics:
            if never_mirrored(topic):
                raise MirrorError(
                    f"batch {self.name}: MirrorMaker 2 never mirrors topic {topic}, as its name looks internal "
                    f"(ends in .internal or -internal, or begins with __ or a dot); move it another way"
                )

        for group in self.groups:
            if (why := untranslatable(group)) is not None:
                raise MirrorError(f"batch {self.name}: {why}")

    @property
    def source_alias(self) -> str:
        """The alias of the source cluster. Each batch has its own, because it names the batch's internal topics."""
        return f"{self.prefix}{self.name}.source"

    @property
    def target_alias(self) -> str:
        """The alias of the target cluster."""
        return f"{self.prefix}{self.name}.target"

    @property
    def source_connector(self) -> str:
        """The name of the connector that copies records."""
        return f"{self._of_ours}{self.name}-source"

    @property
    def checkpoint_connector(self) -> str:
        """The name of the connector that translates group offsets."""
        return f"{self._of_ours}{self.name}-checkpoint"

    @property
    def heartbeat_connector(self) -> str:
        """The name of the connector that writes heartbeats."""
        return f"{self._of_ours}{self.name}-heartbeat"

    @property
    def _of_ours(self) -> str:
        return self.prefix or "cutover-"

    @property
    def reverse(self) -> Batch:
        """The batch that is mirrored in the other direction: its source is this batch's target."""
        return Batch(f"{self.name}.reverse", self.topics, (), self.exclude, self.prefix)

    @property
    def connectors(self) -> tuple[str, ...]:
        """The names of the connectors.

        With a prefix there is none for heartbeats: their topic has the same name for every mirror of a cluster.
        """
        found = (self.source_connector, self.checkpoint_connector, self.heartbeat_connector)
        return found[:2] if self.prefix else found

    @property
    def offset_syncs_topic(self) -> str:
        """The topic of offset pairs, on the target."""
        return f"mm2-offset-syncs.{self.source_alias}.internal"

    @property
    def checkpoints_topic(self) -> str:
        """The topic of translated group offsets, on the target."""
        return f"{self.source_alias}.checkpoints.internal"

    def mirrors(self, topic: str) -> bool:
        """Return whether the batch mirrors a topic with this name."""
        return (
            matches(topic, self.topics)
            and not matches(topic, self.exclude)
            and not never_mirrored(topic)
            and topic != "heartbeats"
        )


@dataclass(frozen=True)
class MirrorSpec:
    """Everything that the mirror of a batch is made from.

    `source` and `target` are librdkafka properties of the two clusters, with secrets if needed. Properties that only
    Java clients have (`sasl.jaas.config`, `ssl.truststore.*`) may be among them; only Connect gets those.
    """

    batch: Batch
    connect_url: str
    """The Connect cluster of the mirror, which writes to the target."""
    source: Mapping[str, str] = field(repr=False)
    target: Mapping[str, str] = field(repr=False)
    exactly_once: bool = False
    """Whether the Connect cluster has exactly-once source support (KIP-618)."""
    interval_s: int = 1
    """How often MirrorMaker 2 looks for topics and groups and copies offsets, in seconds."""
    tasks: int = 1
    """Largest number of tasks that copy in parallel."""
    reverse_connect_url: str | None = None
    """The Connect cluster of the reverse mirror, None for the same one.

    With exactly-once it has to be one that keeps its state on the source, because a worker's transactions are on its
    own cluster.
    """
    connect_logs: tuple[Path, ...] = ()
    """The log files of the Connect workers if they can be read here."""
    secrets_folder: Path | None = None
    """A folder from which the Connect workers read secrets; None: configurations hold the secrets themselves."""
    stall_s: float = STALL_S
    """Seconds without a copied record, although records wait, until a RUNNING mirror counts as broken."""
    access: ConnectAccess = OPEN
    """How the REST interfaces of Connect are reached, and how Connect reaches the clusters."""
    compare_rate: float | None = None
    """Bytes of records per second that the comparison of the logs reads at most, from both clusters together."""

    @property
    def java_source(self) -> Mapping[str, str]:
        """The properties with which Connect reaches the source, with secrets. Raises UsageError."""
        own = self.access.properties("source")
        return java(self.source) if own is None else own

    @property
    def java_target(self) -> Mapping[str, str]:
        """The properties with which Connect reaches the target, with secrets. Raises UsageError."""
        own = self.access.properties("target")
        return java(self.target) if own is None else own

    @property
    def reverse(self) -> MirrorSpec:
        """The settings of the reverse mirror: source, target and the two Connect clusters swapped."""
        return replace(
            self,
            batch=self.batch.reverse,
            connect_url=self.reverse_connect_url or self.connect_url,
            reverse_connect_url=self.connect_url,
            source=self.target,
            target=self.source,
            access=self.access.reverse,
        )
