"""Rules about the target's state: existing records, offsets and members, and topics that do not exist yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cutover_harness.mirror.topic_settings import FOLLOWED, Difference, Harm, differences, left_out, wanted
from cutover_harness.preflight.clusters import MEASURED
from cutover_harness.preflight.model import Cluster, Finding, Inventory, Severity, Topic, number
from cutover_harness.words import listed

COMPARED = "comparison of source and target"
# A topic's property -> the broker's that is its default; retention.ms has several.
_BROKERS = {
    "cleanup.policy": "log.cleanup.policy",
    "compression.type": "compression.type",
    "delete.retention.ms": "log.cleaner.delete.retention.ms",
    "max.compaction.lag.ms": "log.cleaner.max.compaction.lag.ms",
    "max.message.bytes": "message.max.bytes",
    "message.timestamp.after.max.ms": "log.message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms": "log.message.timestamp.before.max.ms",
    "message.timestamp.type": "log.message.timestamp.type",
    "min.cleanable.dirty.ratio": "log.cleaner.min.cleanable.ratio",
    "min.compaction.lag.ms": "log.cleaner.min.compaction.lag.ms",
    "retention.bytes": "log.retention.bytes",
}
_RETENTION = (("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000))
_CONSEQUENCE = {
    Harm.LOSS: "the target removes records that the source keeps",
    Harm.STALL: "the target refuses records that the source has, so the mirror stops",
    Harm.BEHAVIOUR: "applications find other times or orders of records",
}


def defaults(broker: Mapping[str, str]) -> dict[str, str]:
    """Return the properties of a new topic by a broker's configuration."""
    found = {name: broker[default] for name, default in _BROKERS.items() if default in broker}
    for name, ms in _RETENTION:
        if (value := number(broker.get(name))) is not None:
            return found | {"retention.ms": str(value * ms if value >= 0 else value)}
    return found


def created(topic: Topic, broker: Mapping[str, str]) -> list[Difference]:
    """Return the differences of a topic created by MirrorMaker 2 alone: it copies only properties set on the topic."""
    not_copied = {*left_out(topic.settings), "message.timestamp.type"}
    copied = {name: value for name, value in topic.config.items() if name in topic.own - not_copied}
    return differences(topic.config, defaults(broker) | copied)


def missing_topics(inventory: Inventory) -> Iterator[Finding]:
    """Find topics that are missing on the target, and how they would be created there."""
    target = inventory.target
    if target is None:
        return
    missing = {name: topic for name, topic in inventory.source.topics.items() if name not in target.topics}
    wrong = {name: found for name, topic in sorted(missing.items()) if (found := created(topic, target.broker))}
    if plain := sorted(missing.keys() - wrong.keys()):
        yield Finding(
            "missing-topics",
            Severity.NOTE,
            f"topics {listed(plain)}",
            "are not on the target yet"
            + ("" if target.broker else ", and the target's defaults could not be read to compare them"),
            COMPARED,
            "nothing: the mirror creates them; create them yourself if they must exist earlier",
        )
    for name, found in wrong.items():
        yield Finding(
            "missing-topics",
            Severity.WARNING,
            f"topic {name}",
            f"is not on the target yet, and MirrorMaker 2 alone creates it with the target's defaults: "
            f"{_shown(found)} ({_CONSEQUENCE[found[0].harm]})",
            f"{COMPARED}; MirrorMaker 2 copies only properties set on the topic itself, without message.timestamp.type",
            f"let kafka-cutover create it with the source's values, or create it yourself with {_as_on_source(found)}",
        )


def harmful_differences(inventory: Inventory) -> Iterator[Finding]:
    """Find topics on both sides whose properties lose records, or stop the mirror."""
    for name, topic, there in inventory.on_both_sides():
        found = [each for each in differences(topic.config, there.config) if each.harm != Harm.BEHAVIOUR]
        # MirrorMaker 2 keeps copying properties set on the topic itself.
        stays = [each for each in found if each.name not in wanted_of_topic(topic)]
        if found:
            yield Finding(
                "harmful-config",
                Severity.BLOCKER if any(each.harm == Harm.STALL for each in stays) else Severity.WARNING,
                f"topic {name}",
                f"is configured differently on the target: {_shown(found)} ({_CONSEQUENCE[found[0].harm]})",
                COMPARED,
                f"set {_as_on_source(found)} on the target",
            )


def wanted_of_topic(topic: Topic) -> set[str]:
    """Return the properties that are set on the topic itself and are copied as they are."""
    return {name for name in wanted(topic.settings) if name in topic.own and name in FOLLOWED}


def tiered(inventory: Inventory) -> Iterator[Finding]:
    """Find topics with tiered storage, which AutoMQ does not create."""
    found = sorted(
        name
        for name, topic in inventory.source.topics.items()
        if topic.config.get("remote.storage.enable", "").lower() == "true"
    )
    if found:
        yield Finding(
            "tiered-storage",
            Severity.WARNING,
            f"topics {listed(found)}",
            "have remote.storage.enable=true: AutoMQ refuses to create such a topic (INVALID_CONFIG), and "
            "MirrorMaker 2 by itself copies that property",
            MEASURED,
            "mirror with kafka-cutover, which omits remote.* and local.*, or create the topics on the target without "
            "them; reading records from the remote tier takes extra time",
        )


def records(inventory: Inventory) -> Iterator[Finding]:
    """Find topics that already have records on the target."""
    if inventory.target is None:
        return
    found = [
        f"{name} ({there.records})"
        for name in sorted(inventory.source.topics)
        if (there := inventory.target.topics.get(name)) is not None and there.records
    ]
    if found:
        yield _there_already(
            "records-on-target",
            inventory.target,
            f"topics {listed(found)}",
            "have records on the target: they mix with the mirrored ones, and a group without an offset reads them too",
            "delete these topics on the target, or leave them out of the migration",
        )


def offsets(inventory: Inventory) -> Iterator[Finding]:
    """Find groups that already have offsets on the target."""
    if inventory.target is None:
        return
    for name in sorted(inventory.source.groups.keys() & inventory.target.groups.keys()):
        group = inventory.target.groups[name]
        topics = sorted({topic for (topic, _), at in group.offsets.items() if at and topic in inventory.source.topics})
        if topics:
            yield _there_already(
                "offsets-on-target",
                inventory.target,
                f"group {name}",
                f"has offsets in {listed(topics)} on the target: MirrorMaker 2 never moves an offset back, so an "
                "offset that is ahead of its translation skips records",
                "delete the group's offsets on the target (kafka-consumer-groups --delete-offsets)",
            )
        if group.active and set(inventory.source.groups[name].topics) & inventory.source.topics.keys():
            yield Finding(
                "members-on-target",
                Severity.BLOCKER,
                f"group {name}",
                "has members on the target: they read mirrored records and commit before the group is switched",
                COMPARED,
                "stop them; use another group.id for tests on the target",
            )


def _there_already(rule: str, target: Cluster, subject: str, reason: str, remedy: str) -> Finding:
    """Return a blocker, or a warning if an earlier mirror may have left it."""
    return Finding(
        rule,
        Severity.WARNING if target.mirrored_into else Severity.BLOCKER,
        subject,
        reason + ("; they may come from an earlier task of the same batch" if target.mirrored_into else ""),
        COMPARED,
        remedy + (", unless an earlier task of the same batch left them" if target.mirrored_into else ""),
    )


def _shown(found: list[Difference]) -> str:
    return listed([f"{each.name} {each.source} -> {each.target}" for each in found])


def _as_on_source(found: list[Difference]) -> str:
    return listed([f"{each.name}={each.source}" for each in found])


RULES = (missing_topics, harmful_differences, tiered, records, offsets)
