"""Rules about brokers, groups and the mirror."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from cutover_harness import internal_topics
from cutover_harness.features import AUTOMQ
from cutover_harness.globs import matches
from cutover_harness.mirror.config import untranslatable
from cutover_harness.preflight.model import Finding, Inventory, Severity, Version, listed, number

MEASURED = "measured on AutoMQ 1.7.3"
GUIDE = "AutoMQ's migration guide"
RELEASE = "AutoMQ 1.7.3, which is based on Kafka 3.9.1"
CLOUD = "AutoMQ Cloud's limits"
# Kafka versions that the migration guide names, and what the release is based on.
GUIDE_LATEST: Version = (3, 4)
RELEASE_BASE: Version = (3, 9)
_CLOUD_OFFSETS_H = 7 * 24


def target_kind(inventory: Inventory) -> Iterator[Finding]:
    """Find a target that is not AutoMQ, or may not be: the rules are about AutoMQ."""
    target = inventory.target
    if target is None or target.automq:
        return
    yield Finding(
        "target-kind",
        Severity.NOTE if target.automq is False else Severity.WARNING,
        "target",
        "is Apache Kafka: findings about AutoMQ are about what it stands in for"
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
            "does not tell its version",
            f"{GUIDE} names 0.9 to 3.4",
            "check that it is between 0.9 and 3.9",
        )
    elif version[:2] > RELEASE_BASE:
        yield Finding(
            "source-version",
            Severity.WARNING,
            f"source, Kafka {_text(version)}",
            "is newer than the Kafka that AutoMQ is based on: clients and topics go backwards",
            RELEASE,
            "check that no application relies on what came after 3.9 (KIP-848 groups, share groups, newer APIs), and "
            "rehearse with the clients that are in production",
        )
    elif version[:2] > GUIDE_LATEST:
        yield Finding(
            "source-version",
            Severity.NOTE,
            f"source, Kafka {_text(version)}",
            "is newer than what the migration guide names (0.9 to 3.4), and no newer than what AutoMQ is based on",
            f"{GUIDE}; {RELEASE}",
            "nothing; rehearse with this version as the source",
        )


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
    """Find groups whose names MirrorMaker 2 cannot hand to its tasks."""
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
            "MirrorMaker 2 hands names of groups to its tasks in a comma-separated list",
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
            where = ", ".join(
                f"{topic} in {'none' if batch is None else f'batch {batch + 1}'}" for topic, batch in of_batch.items()
            )
            yield Finding(
                "group-spans-batches",
                Severity.BLOCKER,
                f"group {name}",
                f"reads topics that move at different times ({where}): its consumers would be on both clusters",
                "a consumer is on one cluster at a time",
                "put these topics into one batch",
            )


def _batch_of(topic: str, batches: tuple[tuple[str, ...], ...]) -> int | None:
    """Return the batch of a topic: as in the cutover file, one that names it wins over one whose glob matches it."""
    by_name = (index for index, globs in enumerate(batches) if topic in globs)
    by_glob = (index for index, globs in enumerate(batches) if matches(topic, globs))
    return next(chain(by_name, by_glob), None)


def offsets_retention(inventory: Inventory) -> Iterator[Finding]:
    """Compare how long committed offsets live with the time that the migration takes, and with the cloud's limit."""
    minutes = number(inventory.source.broker.get("offsets.retention.minutes"))
    if minutes is None:
        return
    hours = minutes / 60
    if hours < inventory.plan.hours:
        yield Finding(
            "offsets-retention",
            Severity.WARNING,
            "source",
            f"forgets the offsets of a group {hours:g} h after its last member left, and the migration is to take "
            f"{inventory.plan.hours:g} h: consumers that come back start from auto.offset.reset",
            "Kafka's offsets.retention.minutes",
            "raise offsets.retention.minutes on the source until no rollback is wanted any more",
        )
    elif hours > _CLOUD_OFFSETS_H:
        yield Finding(
            "offsets-retention",
            Severity.NOTE,
            "source",
            f"keeps offsets for {hours / 24:g} days, AutoMQ Cloud for 7: groups that pause for longer start anew",
            CLOUD,
            "look for groups that run less than once a week",
        )


def automq_topics(inventory: Inventory) -> Iterator[Finding]:
    """Find AutoMQ's own topics among those that are to move."""
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
