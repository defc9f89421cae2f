"""The input of the rules, and their findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cutover_harness.features import AUTOMQ
from cutover_harness.mirror.topic_settings import Setting

Version = tuple[int, ...]


class Severity(StrEnum):
    """The severity of a finding, most severe first."""

    BLOCKER = "blocker"
    """The migration fails or loses data unless you resolve it."""
    UNKNOWN = "unknown"
    """It could not be checked, which is not a pass."""
    WARNING = "warning"
    """A difference in behaviour that needs a decision."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True)
class Finding:
    """A finding of `rule` about `subject`: why it matters (`reason`), the `source` of the rule, and the `remedy`.

    `batch`: the batch of a plan that it belongs to, None for the whole plan and without one.
    """

    rule: str
    severity: Severity
    subject: str
    reason: str
    source: str
    remedy: str
    batch: str | None = None

    def to_json(self) -> dict[str, str]:
        """Return it as a JSON object."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "subject": self.subject,
            "reason": self.reason,
            "source": self.source,
            "remedy": self.remedy,
            **({} if self.batch is None else {"batch": self.batch}),
        }


@dataclass(frozen=True)
class Topic:
    """A topic with its effective configuration; `own`: the properties that are set on the topic itself.

    `records`: the number of offsets in its logs, None if not read.
    """

    partitions: int
    replication: int = 1
    config: Mapping[str, str] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    records: int | None = None

    @property
    def settings(self) -> dict[str, Setting]:
        """The configuration in the mirror's form."""
        return {name: Setting(value, name in self.own) for name, value in self.config.items()}

    @property
    def compacted(self) -> bool:
        """Whether its records are compacted (and possibly deleted as well)."""
        return "compact" in self.config.get("cleanup.policy", "delete")

    @property
    def retention_ms(self) -> int | None:
        """Retention time in ms, -1 for unlimited; None if records are not deleted by age or it is unknown."""
        if "delete" not in self.config.get("cleanup.policy", "delete"):
            return None
        return number(self.config.get("retention.ms"))


@dataclass(frozen=True)
class Group:
    """A consumer group; `protocol` is "classic" or "consumer" (KIP-848).

    `topics` are those with committed offsets, `offsets` these offsets by topic and partition. `active`: it has members.
    """

    topics: tuple[str, ...] = ()
    protocol: str = "classic"
    offsets: Mapping[tuple[str, int], int] = field(default_factory=dict)
    active: bool = False


@dataclass(frozen=True)
class Cluster:
    """A cluster as read. `version` is Kafka's, None if unknown; `broker` is one broker's configuration.

    `features` are its finalized features, None if they could not be read. `mirrored_into`: MirrorMaker 2 has written
    there before, as its offset-syncs topics show.
    """

    topics: Mapping[str, Topic] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    version: Version | None = None
    broker: Mapping[str, str] = field(default_factory=dict)
    brokers: int = 1
    features: Mapping[str, int] | None = None
    mirrored_into: bool = False

    @property
    def automq(self) -> bool | None:
        """Whether it is AutoMQ, by the finalized feature that only AutoMQ has; None if features could not be read."""
        return None if self.features is None else AUTOMQ in self.features

    @property
    def kind(self) -> str:
        """Its kind, with the evidence, in words."""
        if self.features is None:
            return "unknown (its finalized features could not be read)"
        if AUTOMQ in self.features:
            return f"AutoMQ (finalized feature {AUTOMQ} {self.features[AUTOMQ]})"
        return f"Apache Kafka (no finalized feature {AUTOMQ})"


@dataclass(frozen=True)
class Client:
    """An application's client, by its own properties, with names of the Java client or of librdkafka."""

    properties: Mapping[str, str]

    def get(self, *names: str) -> str | None:
        """Return the first of these that is set: a property has several names."""
        return next((self.properties[name] for name in names if name in self.properties), None)

    def number(self, *names: str) -> int | None:
        """Return the first of these that is set, None if it is no integer."""
        return number(self.get(*names))

    @property
    def produces(self) -> bool:
        """Whether a property that only producers have is set."""
        return bool(_PRODUCER & self.properties.keys())

    @property
    def consumes(self) -> bool:
        """Whether a property that only consumers have is set."""
        return bool(_CONSUMER & self.properties.keys())


_PRODUCER = frozenset(
    {
        "acks",
        "batch.num.messages",
        "batch.size",
        "compression.codec",
        "compression.type",
        "delivery.timeout.ms",
        "enable.idempotence",
        "key.serializer",
        "linger.ms",
        "max.in.flight.requests.per.connection",
        "max.request.size",
        "message.timeout.ms",
        "queue.buffering.max.ms",
        "request.required.acks",
        "retries",
        "transactional.id",
        "value.serializer",
    }
)
_CONSUMER = frozenset(
    {
        "auto.offset.reset",
        "enable.auto.commit",
        "fetch.max.bytes",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "isolation.level",
        "key.deserializer",
        "max.partition.fetch.bytes",
        "max.poll.interval.ms",
        "max.poll.records",
        "session.timeout.ms",
        "value.deserializer",
    }
)


@dataclass(frozen=True)
class Plan:
    """The planned migration: mirrored for `hours`, with exactly-once or not, in `batches` of topic names or globs.

    `names`: of the batches, empty if they have none. `automq`: AutoMQ's version, None if not given. `target_acks`:
    `acks` of the cutover file for the target, None if not set or no file was given.
    """

    hours: float = 24.0
    exactly_once: bool = False
    batches: tuple[tuple[str, ...], ...] = ()
    names: tuple[str, ...] = ()
    automq: Version | None = None
    target_acks: str | None = None


@dataclass(frozen=True)
class Inventory:
    """The input of the rules. `source.topics`: the topics to move; `target`: None if not read."""

    source: Cluster
    target: Cluster | None = None
    clients: Mapping[str, Client] = field(default_factory=dict)
    plan: Plan = field(default_factory=Plan)

    def on_both_sides(self) -> Iterator[tuple[str, Topic, Topic]]:
        """Yield name, source and target of the topics that exist on both, by name."""
        found = {} if self.target is None else self.target.topics
        for name, topic in sorted(self.source.topics.items()):
            if name in found:
                yield name, topic, found[name]


def number(text: str | None) -> int | None:
    """Return the integer in a configuration value, None for anything else."""
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
