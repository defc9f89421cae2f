"""What to record: typed options for the command line and for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

from cutover_harness.types import PartitionId

MaskWhat = Literal["values", "keys", "all"]


@dataclass(frozen=True)
class Shard:
    """One of `count` recordings that share the partitions of their topics; `number` is from 1 to `count`."""

    number: int
    count: int

    def __str__(self) -> str:
        """Return it as it is typed."""
        return f"{self.number}/{self.count}"

    def has(self, partition: PartitionId) -> bool:
        """Whether this shard records a partition: a topic's partitions go to the shards in turn, new ones, too."""
        topic, number = partition
        return (crc32(topic.encode()) + number) % self.count == self.number - 1


_TYPED = {"exclude": "--exclude", "read_committed": "--read-committed", "mask": "--mask", "shard": "--shard"}


def in_words(name: str, value: object) -> str:
    """Return an entry of `RecordOptions.asked` as it is typed, such as `topics a, b` or `no --mask`."""
    typed = _TYPED.get(name, name)
    if value is True:
        return typed
    if not value:
        return f"no {typed}"
    return f"{typed} {', '.join(map(str, value)) if isinstance(value, list) else value}"


def differences(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Return in words what differs between two recordings' `RecordOptions.asked`; empty if nothing does."""
    return [
        f"{in_words(name, then.get(name))} (now {in_words(name, now.get(name))})"
        for name in dict.fromkeys([*then, *now])
        if then.get(name) != now.get(name)
    ]


def shard_in(text: str) -> Shard | None:
    """Return the shard that the text I/N names; None for any other text."""
    found = re.fullmatch(r"([1-9]\d{0,3})/([1-9]\d{0,3})", text, re.ASCII)
    if found is None or int(found[1]) > int(found[2]):
        return None
    return Shard(int(found[1]), int(found[2]))


@dataclass(frozen=True)
class RecordOptions:
    """What to record, and at which rate.

    `topics`: names or globs. `since_ms`, `until_ms`: a window of time in the past (epoch ms; None: open).
    `duration_s`: record live for that long, from the end of the log on, or from `since_ms`. None of them: all that
    there is at the start. `max_records`, `max_bytes` (keys and values) end it earlier. `rate_bytes`: at most so many
    bytes a second. `shard`: only its partitions; None: all.
    """

    topics: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    duration_s: float | None = None
    max_records: int | None = None
    max_bytes: int | None = None
    rate_bytes: float | None = None
    read_committed: bool = False
    mask: MaskWhat | None = None
    shard: Shard | None = None

    def has(self, partition: PartitionId) -> bool:
        """Whether a partition of the topics is recorded."""
        return self.shard is None or self.shard.has(partition)

    def asked(self) -> dict[str, Any]:
        """Return the options that must be the same on resume: the selection of records, and the masking."""
        return {
            "topics": list(self.topics),
            "exclude": list(self.exclude),
            "read_committed": self.read_committed,
            "mask": self.mask,
            **({} if self.shard is None else {"shard": str(self.shard)}),
        }
