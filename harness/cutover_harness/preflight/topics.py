"""Rules about topics: not mirrored, different on the target, or removed too early."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cutover_harness.mirror.spec import Batch
from cutover_harness.mirror.topic_settings import Harm, differences
from cutover_harness.preflight.clusters import CLOUD, MEASURED
from cutover_harness.preflight.model import Finding, Inventory, Severity, Version, number
from cutover_harness.words import counted, listed

COMPACTION_FIXED: Version = (1, 7, 0)
_EVERYTHING = Batch("preflight", ("*",), ())
_HOUR_MS = 3_600_000
_CLOUD_RETENTION_MS = (_HOUR_MS, 60 * 24 * _HOUR_MS)
# Set by AutoMQ itself: no difference that a user made.
_EXPECTED_PREFIXES = ("automq.", "elasticstream.")
_EXPECTED_NAMES = frozenset({"index.interval.bytes", "min.insync.replicas"})
# Set by the brokers, or without effect on the other side.
_IGNORED_PREFIXES = ("follower.replication.", "leader.replication.", "remote.", "local.", "confluent.")
_IGNORED_NAMES = frozenset({"message.format.version", "unclean.leader.election.enable"})


def never_mirrored(inventory: Inventory) -> Iterator[Finding]:
    """Find topics whose names look internal to MirrorMaker 2."""
    found = sorted(name for name in inventory.source.topics if not _EVERYTHING.mirrors(name))
    if found:
        yield Finding(
            "never-mirrored",
            Severity.BLOCKER,
            f"topics {listed(found)}",
            "MirrorMaker 2 never mirrors a topic of such a name (it ends in .internal or -internal, begins with __ or "
            "a dot, or is heartbeats), whatever is configured",
            "Kafka's ReplicationPolicy.isInternalTopic",
            "leave them out, or move them by other means",
        )


def compaction_bug(inventory: Inventory) -> Iterator[Finding]:
    """Find compacted topics if the target can lose their records."""
    found = sorted(name for name, topic in inventory.source.topics.items() if topic.compacted)
    version = inventory.plan.automq
    if not found or (version is not None and version >= COMPACTION_FIXED):
        return
    known = version is not None
    yield Finding(
        "compaction-data-loss",
        Severity.BLOCKER if known else Severity.WARNING,
        f"compacted topics {listed(found)}",
        "AutoMQ before 1.7.0 can lose records of compacted topics" + ("" if known else ", and no version was given"),
        "AutoMQ issue 3336",
        "use AutoMQ 1.7.0 or later" + ("" if known else ", and give its version with --automq-version"),
    )


def replication(inventory: Inventory) -> Iterator[Finding]:
    """Find topics with replicas: AutoMQ has one, and its store provides durability."""
    found = sorted(
        name
        for name, topic in inventory.source.topics.items()
        if topic.replication > 1 or (number(topic.config.get("min.insync.replicas")) or 1) > 1
    )
    if found:
        yield Finding(
            "replication",
            Severity.NOTE,
            f"topics {listed(found)}",
            "have more than one replica or min.insync.replicas above 1: on AutoMQ both are silently 1",
            MEASURED,
            "expect the difference in comparisons and alerts; durability is the object store's",
        )


def partition_counts(inventory: Inventory) -> Iterator[Finding]:
    """Compare partition counts: with another count keys map to other partitions."""
    for name, topic, there in inventory.on_both_sides():
        if there.partitions == topic.partitions:
            continue
        fewer = there.partitions < topic.partitions
        yield Finding(
            "partition-count",
            Severity.BLOCKER if fewer else Severity.WARNING,
            f"topic {name}",
            f"has {counted(topic.partitions, 'partition')} on the source and {there.partitions} on the target: "
            + (
                "records and offsets of the others cannot be mirrored"
                if fewer
                else "producers that have moved send keys to other partitions than the mirror, which breaks their order"
            ),
            "comparison of source and target; keys are hashed over the partition count",
            "add partitions on the target" if fewer else "recreate it on the target, or add partitions on the source",
        )


def configuration(inventory: Inventory) -> Iterator[Finding]:
    """Compare the configuration of topics on both sides; values that AutoMQ sets itself are no difference."""
    for name, topic, there in inventory.on_both_sides():
        harmful = {each.name for each in differences(topic.config, there.config) if each.harm != Harm.BEHAVIOUR}
        if found := [key for key in different(topic.config, there.config) if key not in harmful]:
            shown = listed(
                [f"{key} {topic.config[key] or '(none)'} -> {there.config[key] or '(none)'}" for key in found]
            )
            yield Finding(
                "topic-config",
                Severity.WARNING,
                f"topic {name}",
                f"is configured differently on the target: {shown}",
                "comparison of source and target",
                "make them equal, or wait for MirrorMaker 2 to synchronise them",
            )


def different(source: Mapping[str, str], target: Mapping[str, str]) -> list[str]:
    """Return the names of settings whose difference a user made.

    What only one side has is no difference: brokers of other versions know other settings.
    """
    return sorted(
        key
        for key in source.keys() & target.keys()
        if source[key] != target[key]
        and key not in _EXPECTED_NAMES | _IGNORED_NAMES
        and not key.startswith(_EXPECTED_PREFIXES + _IGNORED_PREFIXES)
    )


def retention(inventory: Inventory) -> Iterator[Finding]:
    """Find topics that remove records before the migration ends."""
    hours = inventory.plan.hours
    found = sorted(
        f"{name} ({topic.retention_ms / _HOUR_MS:g} h)"
        for name, topic in inventory.source.topics.items()
        if topic.retention_ms is not None and 0 <= topic.retention_ms < hours * _HOUR_MS
    )
    if found:
        yield Finding(
            "retention",
            Severity.WARNING,
            f"topics {listed(found)}",
            f"keep records for less than the {hours:g} h of the migration: records removed before the mirror or a "
            "consumer read them are lost, and a rollback finds fewer",
            "Kafka's retention.ms",
            "raise retention.ms on the source until the rollback window has ended",
        )


def cloud_retention(inventory: Inventory) -> Iterator[Finding]:
    """Find retention times that AutoMQ Cloud does not accept."""
    low, high = _CLOUD_RETENTION_MS
    found = sorted(
        name
        for name, topic in inventory.source.topics.items()
        if topic.retention_ms is not None and not low <= topic.retention_ms <= high
    )
    if found:
        yield Finding(
            "cloud-retention",
            Severity.NOTE,
            f"topics {listed(found)}",
            "have a retention time below 1 hour or above 60 days, or unlimited retention",
            CLOUD,
            "nothing for self-hosted AutoMQ; for AutoMQ Cloud ask which limits apply",
        )


RULES = (
    never_mirrored,
    compaction_bug,
    replication,
    partition_counts,
    configuration,
    retention,
    cloud_retention,
)
