"""The three connectors of a batch: progress shows within seconds, and nothing is written to the source."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cutover_harness import internal_topics
from cutover_harness.globs import matches
from cutover_harness.internal_topics import never_mirrored
from cutover_harness.mirror.clients import java
from cutover_harness.mirror.copying import Copying
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.patterns import java_list
from cutover_harness.mirror.topic_settings import NOT_COPIED

_BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"


_ORDINARY = Copying()


def untranslatable(group: str) -> str | None:
    """Return why MirrorMaker 2 never translates offsets of a group of this name, None if it does.

    Its connector hands the names to its tasks in a comma-separated list without escapes: group "a,b" becomes the two
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
    """What is mirrored together: names or globs (as in the cutover file) of topics and groups."""

    name: str
    topics: tuple[str, ...]
    groups: tuple[str, ...]
    exclude: tuple[str, ...] = ()

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
        """The alias of the source cluster. Its own a batch, as it names the batch's internal topics."""
        return f"{self.name}.source"

    @property
    def target_alias(self) -> str:
        """The alias of the target cluster."""
        return f"{self.name}.target"

    @property
    def source_connector(self) -> str:
        """The name of the connector that copies records."""
        return f"cutover-{self.name}-source"

    @property
    def checkpoint_connector(self) -> str:
        """The name of the connector that translates offsets of groups."""
        return f"cutover-{self.name}-checkpoint"

    @property
    def heartbeat_connector(self) -> str:
        """The name of the connector that writes heartbeats."""
        return f"cutover-{self.name}-heartbeat"

    @property
    def reverse(self) -> "Batch":
        """The batch that mirrors the other way round: its source is this one's target."""
        return Batch(f"{self.name}.reverse", self.topics, (), self.exclude)

    @property
    def connectors(self) -> tuple[str, str, str]:
        """The names of all three."""
        return self.source_connector, self.checkpoint_connector, self.heartbeat_connector

    @property
    def offset_syncs_topic(self) -> str:
        """The topic, on the target, of pairs of offsets."""
        return f"mm2-offset-syncs.{self.source_alias}.internal"

    @property
    def checkpoints_topic(self) -> str:
        """The topic, on the target, of groups' translated offsets."""
        return f"{self.source_alias}.checkpoints.internal"

    def mirrors(self, topic: str) -> bool:
        """Tell whether the batch mirrors a topic of this name."""
        return (
            matches(topic, self.topics)
            and not matches(topic, self.exclude)
            and not never_mirrored(topic)
            and topic != "heartbeats"
        )


def connectors(
    batch: Batch,
    source: Mapping[str, str],
    target: Mapping[str, str],
    *,
    exactly_once: bool,
    interval_s: int,
    tasks: int,
    copying: Copying = _ORDINARY,
    not_known: Iterable[str] = (),
) -> dict[str, dict[str, str]]:
    """Return the configuration of each connector by name. Holds the clusters' secrets.

    `interval_s` is how often topics, groups and offsets are looked at, `tasks` how many copy in parallel, `not_known`
    the topic properties of the source that the target does not know.
    """
    common = {
        "source.cluster.alias": batch.source_alias,
        "target.cluster.alias": batch.target_alias,
        "replication.policy.class": "org.apache.kafka.connect.mirror.IdentityReplicationPolicy",
        "tasks.max": str(tasks),
        "key.converter": _BYTES,
        "value.converter": _BYTES,
        "header.converter": _BYTES,
        # Whatever the target's default is; AutoMQ has one replica whatever is asked for.
        "replication.factor": "-1",
        "offset-syncs.topic.replication.factor": "-1",
        "checkpoints.topic.replication.factor": "-1",
        "heartbeats.topic.replication.factor": "-1",
        # The source cluster is only read.
        "offset-syncs.topic.location": "target",
    }
    for side, config in (("source", source), ("target", target)):
        common |= {f"{side}.cluster.{key}": value for key, value in java(config).items()}
        common[f"{side}.cluster.reconnect.backoff.max.ms"] = "500"
    mirroring = common | {
        "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector",
        "topics": java_list(batch.topics),
        "topics.exclude": ",".join([*internal_topics.PATTERNS, *filter(None, [java_list(batch.exclude)])]),
        "refresh.topics.interval.seconds": str(interval_s),
        "sync.topic.configs.interval.seconds": str(max(interval_s, 5)),
        "sync.topic.acls.enabled": "false",
        # Its default would delete from the target's topics what is only a default on the source.
        "use.defaults.from": "source",
        "config.properties.exclude": ",".join([*NOT_COPIED, *map(re.escape, sorted(not_known))]),
        "offset.lag.max": "100",
        "source.consumer.auto.offset.reset": "earliest",
        "source.consumer.isolation.level": "read_committed",
        "source.consumer.metadata.max.age.ms": "1000",
        "source.consumer.max.poll.records": "2000",
        **copying.settings(),
    }
    if exactly_once:
        mirroring["exactly.once.support"] = "required"
    else:
        # Off by default in Connect, where a retry may then duplicate and, with more than one in flight, disorder.
        mirroring["producer.override.enable.idempotence"] = "true"
        mirroring["producer.override.max.in.flight.requests.per.connection"] = "5"
    translating = common | {
        "connector.class": "org.apache.kafka.connect.mirror.MirrorCheckpointConnector",
        "topics": mirroring["topics"],
        "topics.exclude": mirroring["topics.exclude"],
        "groups": java_list(batch.groups),
        "groups.exclude": "",
        "refresh.groups.interval.seconds": str(interval_s),
        "emit.checkpoints.interval.seconds": str(interval_s),
        "sync.group.offsets.enabled": "true",
        "sync.group.offsets.interval.seconds": str(interval_s),
    }
    beating = common | {
        "connector.class": "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector",
        "emit.heartbeats.interval.seconds": "1",
    }
    return dict(zip(batch.connectors, (mirroring, translating, beating), strict=True))
