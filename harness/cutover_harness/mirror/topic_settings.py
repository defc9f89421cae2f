"""Properties that a topic needs on the target, and differences there. Pure.

MirrorMaker 2 copies properties that are set on the topic. It does not copy settings of the source's brokers
(`message.max.bytes`, `log.retention.*`, `log.cleanup.policy`, `message.timestamp.type`): the target's defaults apply.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

_FOR_EVER = str((1 << 63) - 1)
DEFAULT_MAX_MESSAGE_BYTES = 1_048_588

# Properties that decide which records a topic keeps and accepts and how it stores them; the value in force counts.
FOLLOWED = (
    "cleanup.policy",
    "compression.type",
    "delete.retention.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "retention.bytes",
    "retention.ms",
)
# Older records may exceed a limit that was set after them, and the mirror's task would fail.
_TIMESTAMP_LIMITS = ("message.timestamp.before.max.ms", "message.timestamp.after.max.ms")
# Properties of the source's brokers or its vendor; never copied, even if they are set on the topic.
NOT_COPIED = (
    r"follower\.replication\.throttled\.replicas",
    r"leader\.replication\.throttled\.replicas",
    r"message\.timestamp\.(difference|before|after)\.max\.ms",
    r"message\.timestamp\.type",
    r"unclean\.leader\.election\.enable",
    r"min\.insync\.replicas",
    r"message\.format\.version",
    r"message\.downconversion\.enable",
    r"index\.interval\.bytes",
    r"segment\.(bytes|index\.bytes|jitter\.ms)",
    r"file\.delete\.delay\.ms",
    r"flush\.(messages|ms)",
    r"preallocate",
    r"(remote|local)\..*",
    r"(confluent|automq|elasticstream)\..*",
)
_NOT_COPIED = re.compile("|".join(NOT_COPIED))


@dataclass(frozen=True)
class Setting:
    """A property's value in force, and whether it is set on the topic."""

    value: str
    of_topic: bool


class Harm(StrEnum):
    """Possible harm of a difference."""

    LOSS = "loss"
    """The target removes records that the source keeps."""
    STALL = "stall"
    """The target refuses records that the source has, so that the mirror stops."""
    BEHAVIOUR = "behaviour"
    """Applications see other behaviour than on the source."""


@dataclass(frozen=True)
class Difference:
    """One property whose values in force differ."""

    name: str
    source: str
    target: str
    harm: Harm

    def __str__(self) -> str:
        return f"{self.name} is {self.source} on the source and {self.target} on the target"


def wanted(source: Mapping[str, Setting]) -> dict[str, str]:
    """Return the properties to create a topic with on the target, from all of the topic's on the source.

    Mirrored records may have any age, so limits on timestamps are lifted.
    """
    found = {name: source[name].value for name in FOLLOWED if name in source}
    found |= {
        name: setting.value for name, setting in source.items() if setting.of_topic and not _NOT_COPIED.fullmatch(name)
    }
    return found | {name: _FOR_EVER for name in _TIMESTAMP_LIMITS if name in source}


def left_out(source: Mapping[str, Setting]) -> list[str]:
    """Return the properties that were set on the source's topic and are not copied to the target."""
    followed = {*FOLLOWED, *_TIMESTAMP_LIMITS}
    return sorted(
        name
        for name, setting in source.items()
        if setting.of_topic and name not in followed and _NOT_COPIED.fullmatch(name)
    )


def differences(source: Mapping[str, str], target: Mapping[str, str]) -> list[Difference]:
    """Compare a topic's values in force on both clusters, the most harmful difference first.

    Only properties that decide which records are kept and accepted and how they are stored. A property that one side
    does not have is no difference, nor is a limit on timestamps that the target lacks.
    """
    found = []
    for name in FOLLOWED:
        here, there = source.get(name), target.get(name)
        if here is not None and there is not None and _canonical(name, here) != _canonical(name, there):
            found.append(Difference(name, here, there, _harm(name, here, there)))
    for name in _TIMESTAMP_LIMITS:
        there = target.get(name)
        if there is not None and int(there) < int(source.get(name, _FOR_EVER)):
            found.append(Difference(name, source.get(name, "unlimited"), there, Harm.STALL))
    return sorted(found, key=lambda each: (list(Harm).index(each.harm), each.name))


def _canonical(name: str, value: str) -> object:
    if name == "cleanup.policy":
        return frozenset(part.strip() for part in value.split(","))
    try:
        return float(value)
    except ValueError:
        return value


def _harm(name: str, source: str, target: str) -> Harm:
    return Harm.BEHAVIOUR if (judge := _HARMFUL.get(name)) is None else judge(source, target)


def _keeps_less(source: str, target: str) -> Harm:
    """Return the harm of a limit; a negative one means unlimited."""
    here, there = int(source), int(target)
    return Harm.LOSS if there >= 0 and (here < 0 or there < here) else Harm.BEHAVIOUR


def _waits_less(source: str, target: str) -> Harm:
    return Harm.LOSS if int(target) < int(source) else Harm.BEHAVIOUR


def _removes_more(source: str, target: str) -> Harm:
    here, there = source.split(","), target.split(",")
    return Harm.LOSS if {part.strip() for part in there} - {part.strip() for part in here} else Harm.BEHAVIOUR


def _takes_less(source: str, target: str) -> Harm:
    return Harm.STALL if int(target) < int(source) else Harm.BEHAVIOUR


_HARMFUL: Mapping[str, Callable[[str, str], Harm]] = {
    "cleanup.policy": _removes_more,
    "delete.retention.ms": _waits_less,
    "max.compaction.lag.ms": _waits_less,
    "max.message.bytes": _takes_less,
    "min.compaction.lag.ms": _waits_less,
    "retention.bytes": _keeps_less,
    "retention.ms": _keeps_less,
}
