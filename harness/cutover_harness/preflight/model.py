"""What is known before a migration, and what is found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

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
    """A topic, with the configuration in force."""

    partitions: int
    replication: int = 1
    config: Mapping[str, str] = field(default_factory=dict)

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
    """A consumer group; `protocol` is "classic" or "consumer" (KIP-848), `topics` what it has committed offsets of."""

    topics: tuple[str, ...] = ()
    protocol: str = "classic"


@dataclass(frozen=True)
class Cluster:
    """A cluster as read. `version` is Kafka's, None where it does not tell; `broker` is one broker's configuration."""

    topics: Mapping[str, Topic] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    version: Version | None = None
    broker: Mapping[str, str] = field(default_factory=dict)
    brokers: int = 1

    @property
    def automq(self) -> bool | None:
        """Whether it is AutoMQ, told by settings that only its code has; None where brokers tell nothing.

        Those that people set do not count: Kafka passes on what it does not know.
        """
        return bool(_AUTOMQ_SETTINGS & self.broker.keys()) if self.broker else None


# With defaults that nobody has a reason to change.
_AUTOMQ_SETTINGS = frozenset({"s3.max.stream.num.per.stream.set.object", "s3.network.refill.period.ms"})


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

    `automq` is the version of AutoMQ that it goes to, None where nobody has said.
    """

    hours: float = 24.0
    exactly_once: bool = False
    batches: tuple[tuple[str, ...], ...] = ()
    automq: Version | None = None


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
