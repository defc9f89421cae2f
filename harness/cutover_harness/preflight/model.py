"""What is known before a migration, and what is found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cutover_harness.features import AUTOMQ
from cutover_harness.mirror.topic_settings import Setting

Version = tuple[int, ...]


class Severity(StrEnum):
    """How much a finding weighs, the heaviest first."""

    BLOCKER = "blocker"
    """The migration fails, or loses data, unless this is dealt with."""
    WARNING = "warning"
    """Something behaves differently, and somebody has to decide what to do about it."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True)
class Finding:
    """One thing found: by which `rule`, in what (`subject`), why it matters, where the rule is from, what to do."""

    rule: str
    severity: Severity
    subject: str
    reason: str
    source: str
    remedy: str

    def to_json(self) -> dict[str, str]:
        """Return it as a JSON object."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "subject": self.subject,
            "reason": self.reason,
            "source": self.source,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Topic:
    """A topic, with the configuration in force; `own` are the properties that are set on the topic itself.

    `records` is how many offsets its logs span, None if nobody has looked.
    """

    partitions: int
    replication: int = 1
    config: Mapping[str, str] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    records: int | None = None

    @property
    def settings(self) -> dict[str, Setting]:
        """The configuration as the mirror looks at it."""
        return {name: Setting(value, name in self.own) for name, value in self.config.items()}

    @property
    def compacted(self) -> bool:
        """Whether its records are compacted, deleted as well or not."""
        return "compact" in self.config.get("cleanup.policy", "delete")

    @property
    def retention_ms(self) -> int | None:
        """How long it keeps records, -1 for ever; None where nothing is deleted by age, or nothing is known of it."""
        if "delete" not in self.config.get("cleanup.policy", "delete"):
            return None
        return number(self.config.get("retention.ms"))


@dataclass(frozen=True)
class Group:
    """A consumer group; `protocol` is "classic" or "consumer" (KIP-848), `topics` what it has committed offsets of.

    `offsets` are its committed offsets by topic and partition. `active`: it has members.
    """

    topics: tuple[str, ...] = ()
    protocol: str = "classic"
    offsets: Mapping[tuple[str, int], int] = field(default_factory=dict)
    active: bool = False


@dataclass(frozen=True)
class Cluster:
    """A cluster as read. `version` is Kafka's, None if it does not tell; `broker` is one broker's configuration.

    `features` are its finalized features, None if they could not be read. `mirrored_into`: MirrorMaker 2 has written
    there before, as its topics of offset pairs show.
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
        """What it is and how that is known, in words."""
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
        """Return the first of these that is set, where it is a whole number."""
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
    """What is intended: mirrored `hours` long, with exactly-once or not, in `batches` of topic names or globs.

    `automq` is the version of AutoMQ that it goes to, None if nobody has said. `target_acks` is what the cutover file
    sets for the target, None if it sets nothing or was not given.
    """

    hours: float = 24.0
    exactly_once: bool = False
    batches: tuple[tuple[str, ...], ...] = ()
    automq: Version | None = None
    target_acks: str | None = None


@dataclass(frozen=True)
class Inventory:
    """All that the rules look at. `source.topics` are what is to move; `target` is None where it was not read."""

    source: Cluster
    target: Cluster | None = None
    clients: Mapping[str, Client] = field(default_factory=dict)
    plan: Plan = field(default_factory=Plan)


def number(text: str | None) -> int | None:
    """Return a whole number that is written in a configuration, None for anything else."""
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def listed(names: list[str], most: int = 5) -> str:
    """Return names for a sentence, the first few of many."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
