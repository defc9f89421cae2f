"""Rules about brokers, groups and the mirror."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from cutover_harness import internal_topics
from cutover_harness.features import AUTOMQ
from cutover_harness.globs import matches
from cutover_harness.mirror.spec import untranslatable
from cutover_harness.preflight.model import Finding, Inventory, Plan, Severity, Version, number
from cutover_harness.words import listed

MEASURED = "measured on AutoMQ 1.7.3"
GUIDE = "AutoMQ's migration guide (its page Prerequisites names servers of Kafka 0.11 to 3.9)"
RELEASE = "AutoMQ 1.7.3, which is based on Kafka 3.9.1"
CLOUD = "AutoMQ Cloud's limits"
# The oldest Kafka in the migration guide; its latest one is the base of the release.
GUIDE_OLDEST: Version = (0, 11)
RELEASE_BASE: Version = (3, 9)
# The first Kafka with topic ids, and the oldest that clients from 4.0 on accept (KIP-896).
TOPIC_IDS: Version = (2, 8)
CLIENTS_BASE: Version = (2, 1)
_CLOUD_OFFSETS_H = 7 * 24


def target_kind(inventory: Inventory) -> Iterator[Finding]:
    """Find a target that is not AutoMQ, or possibly not: the rules are for AutoMQ."""
    target = inventory.target
    if target is None or target.automq:
        return
    yield Finding(
        "target-kind",
        Severity.NOTE if target.automq is False else Severity.WARNING,
        "target",
        "is Apache Kafka: findings about AutoMQ apply to the AutoMQ that it stands in for"
        if target.automq is False
        else "may be AutoMQ or not: its finalized features could not be read",
        f"AutoMQ has the finalized feature {AUTOMQ}, Apache Kafka does not",
        "run preflight against the AutoMQ that the applications will use"
        if target.automq is False
        else "run preflight from a machine that reaches bootstrap.servers, with ssl.* as PEM files",
    )


def source_version(inventory: Inventory) -> Iterator[Finding]:
    """Compare the source's version with what is documented as supported."""
    version = inventory.source.version
    if version is None:
        yield Finding(
            "source-version",
            Severity.NOTE,
            "source",
            "does not report its version",
            GUIDE,
            "check that it is between 0.11 and 3.9",
        )
    elif version[:2] > RELEASE_BASE:
        yield Finding(
            "source-version",
            Severity.WARNING,
            f"source, Kafka {_text(version)}",
            "is newer than the Kafka that AutoMQ is based on: clients and topics would be downgraded",
            f"{RELEASE}; {GUIDE}",
            "check that no application relies on features newer than 3.9 (KIP-848 groups, share groups, newer APIs), "
            "and rehearse with the clients that are in production and with --source-version 4.4.0",
        )
    elif version[:2] < GUIDE_OLDEST:
        yield Finding(
            "source-version",
            Severity.BLOCKER,
            f"source, Kafka {_text(version)}",
            "is older than the oldest of the migration guide: its brokers serve neither DescribeConfigs, with which "
            "MirrorMaker 2 reads topic configurations, nor Fetch 4, with which it reads committed records only; "
            "Kafka's clients up to 3.9 speak to brokers from 0.10 on",
            GUIDE,
            "upgrade the source's brokers, to 2.8 or later if possible",
        )
    elif version[:2] < TOPIC_IDS:
        yield Finding(
            "source-version",
            Severity.WARNING,
            f"source, Kafka {_text(version)}, or inter.broker.protocol.version is set to it",
            "has no topic ids: a topic that is deleted and created again during the migration is not noticed by its "
            f"id, so no gate can prove that topics are those that were mirrored first. {_spoken(version)}",
            f"KIP-516 (topic ids), KIP-896 (protocol versions); {GUIDE}",
            "recreate no topic until the mirror is deleted, keep the mirror's Connect at 3.9, and rehearse with "
            "--source-version 2.8.2, the oldest there is; or upgrade the brokers first",
        )


def _spoken(version: Version) -> str:
    """Return, in words, which clients speak to brokers that old."""
    if version[:2] < CLIENTS_BASE:
        return (
            "Connect and MirrorMaker 2 up to 3.9 and librdkafka 2.16 speak to it; Connect 4 and Java clients 4 do not, "
            "as they dropped what is older than 2.1"
        )
    return "Connect and MirrorMaker 2 3.9, as well as 4, and librdkafka 2.16 speak to it"


def groups_of_the_new_protocol(inventory: Inventory) -> Iterator[Finding]:
    """Find groups of KIP-848, which a target may not serve."""
    target = inventory.target
    if target is not None and "consumer" in target.broker.get("group.coordinator.rebalance.protocols", ""):
        return
    names = sorted(name for name, group in inventory.source.groups.items() if group.protocol == "consumer")
    if names:
        yield _new_protocol(f"groups {listed(names)}")
    for file, client in inventory.clients.items():
        if (client.get("group.protocol") or "").lower() == "consumer":
            yield _new_protocol(f"client {file}")


def _new_protocol(subject: str) -> Finding:
    return Finding(
        "group-protocol",
        Severity.BLOCKER,
        subject,
        "uses group.protocol=consumer (KIP-848), and AutoMQ serves only classic groups by default: it gets no records",
        MEASURED,
        "set group.protocol=classic, or enable the protocol on the target "
        "(group.coordinator.rebalance.protocols=classic,consumer)",
    )


def untranslatable_groups(inventory: Inventory) -> Iterator[Finding]:
    """Find groups whose names MirrorMaker 2 cannot pass to its tasks."""
    found = sorted(
        name
        for name, group in inventory.source.groups.items()
        if untranslatable(name) is not None and not inventory.source.topics.keys().isdisjoint(group.topics)
    )
    if found:
        yield Finding(
            "untranslatable-group",
            Severity.BLOCKER,
            f"groups {listed([repr(name) for name in found])}",
            "have a comma in their names, or a blank at an end: their offsets never arrive on the target, so that they "
            "start at auto.offset.reset there",
            "MirrorMaker 2 passes names of groups to its tasks in a comma-separated list",
            "rename them on the source first, or set their offsets on the target by hand",
        )


def groups_across_batches(inventory: Inventory) -> Iterator[Finding]:
    """Find groups that read topics of more than one batch, or some that move with none."""
    batches = inventory.plan.batches
    if not batches:
        return
    for name, group in sorted(inventory.source.groups.items()):
        of_batch = {topic: _batch_of(topic, batches) for topic in group.topics if topic in inventory.source.topics}
        if len(set(of_batch.values())) > 1:
            where = ", ".join(f"{topic} in {_batch_name(inventory.plan, batch)}" for topic, batch in of_batch.items())
            yield Finding(
                "group-spans-batches",
                Severity.BLOCKER,
                f"group {name}",
                f"reads topics that move at different times ({where}): its consumers would be on both clusters",
                "a consumer is on one cluster at a time",
                "put these topics into one batch",
            )


def _batch_name(plan: Plan, batch: int | None) -> str:
    if batch is None:
        return "none"
    return f"batch {plan.names[batch] if plan.names else batch + 1}"


def _batch_of(topic: str, batches: tuple[tuple[str, ...], ...]) -> int | None:
    """Return the batch of a topic; as in the cutover file, a name takes precedence over a glob."""
    by_name = (index for index, globs in enumerate(batches) if topic in globs)
    by_glob = (index for index, globs in enumerate(batches) if matches(topic, globs))
    return next(chain(by_name, by_glob), None)


def offsets_retention(inventory: Inventory) -> Iterator[Finding]:
    """Compare the retention of committed offsets with the duration of the migration, and with the cloud's limit."""
    minutes = number(inventory.source.broker.get("offsets.retention.minutes"))
    if minutes is None:
        return
    hours = minutes / 60
    if hours < inventory.plan.hours:
        yield Finding(
            "offsets-retention",
            Severity.WARNING,
            "source",
            f"forgets the offsets of a group {hours:g} h after its last member left, and the migration takes "
            f"{inventory.plan.hours:g} h: consumers that return start at auto.offset.reset",
            "Kafka's offsets.retention.minutes",
            "raise offsets.retention.minutes on the source until the rollback window has ended",
        )
    elif hours > _CLOUD_OFFSETS_H:
        yield Finding(
            "offsets-retention",
            Severity.NOTE,
            "source",
            f"keeps offsets for {hours / 24:g} days, AutoMQ Cloud for 7: groups that pause for longer start at "
            "auto.offset.reset",
            CLOUD,
            "look for groups that run less than once a week",
        )


def automq_topics(inventory: Inventory) -> Iterator[Finding]:
    """Find AutoMQ's own topics among the topics to move."""
    found = sorted(set(internal_topics.AUTOMQ) & inventory.source.topics.keys())
    if found:
        yield Finding(
            "internal-topics",
            Severity.WARNING,
            f"topics {listed(found)}",
            "are AutoMQ's own: the target has others of these names",
            MEASURED,
            "leave them out",
        )


def exactly_once_mirror(inventory: Inventory) -> Iterator[Finding]:
    """Warn of MirrorMaker 2 in transactions."""
    if inventory.plan.exactly_once:
        yield Finding(
            "mirror-exactly-once",
            Severity.WARNING,
            "mirror",
            "MirrorMaker 2 with exactly-once copies about 500 records/s to AutoMQ (20,000 records took 43 s, and 2 s "
            "without it), since each of its transactions waits for uploads",
            MEASURED,
            "mirror without exactly-once, with an idempotent producer, large batches and a short linger as "
            "kafka-cutover configures it, and look at the duplicates that a crash of Connect can leave; or make sure "
            "that the source produces less than that",
        )


def _text(version: Version) -> str:
    return ".".join(map(str, version))


RULES = (
    target_kind,
    source_version,
    groups_of_the_new_protocol,
    untranslatable_groups,
    groups_across_batches,
    offsets_retention,
    automq_topics,
    exactly_once_mirror,
)
