"""When each group last committed and last changed its members, by the records of `__consumer_offsets`.

No request answers that. The time of a record is that of the coordinator that wrote it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from confluent_kafka import Message

from cutover_harness.inventory.calls import Calls
from cutover_harness.inventory.model import GroupEntry
from cutover_harness.inventory.records import RecordReader
from cutover_harness.inventory.writes import Offsets, moment

OFFSETS_TOPIC = "__consumer_offsets"
HISTORY = "last commits of groups"
_REMEDY = f"grant Read on the topic {OFFSETS_TOPIC}"
_COMMITS = (0, 1)
"""Versions of the keys of commits; all others belong to a group's membership (GroupMetadataManager, KIP-848)."""


def read_history(calls: Calls, config: Mapping[str, str], groups: dict[str, GroupEntry], ends: Offsets) -> None:
    """Fill in both times of each group. Reads the whole topic once."""
    if OFFSETS_TOPIC not in ends.of:
        if groups:
            why = f"{OFFSETS_TOPIC} is not shown"
            calls.gaps.add(HISTORY, "forbidden", why, cluster=calls.cluster, remedy=_REMEDY)
        return
    times = Times()

    def visit(message: Message) -> None:
        times.add(message.key(), message.value(), message.timestamp()[1])

    ranges = {(OFFSETS_TOPIC, number): (0, end) for number, end in enumerate(ends.of[OFFSETS_TOPIC])}
    RecordReader(calls, config, HISTORY, _REMEDY, visit).read(ranges)
    if calls.gaps.has(HISTORY, calls.cluster):
        return  # a time that is not the last one would call a live group stale
    for name, group in groups.items():
        group.last_commit, group.last_change = moment(times.commits.get(name)), moment(times.changes.get(name))


class Times:
    """The time of the last commit and of the last change of members of each group, in ms."""

    def __init__(self) -> None:
        self.commits: dict[str, int] = {}
        self.changes: dict[str, int] = {}

    def add(self, key: bytes | None, value: bytes | None, time_ms: int) -> None:
        """Take a record; a tombstone, such as of an expired offset, is no activity."""
        parsed = None if value is None else _parsed(key or b"")
        if parsed is not None:
            version, group = parsed
            times = self.commits if version in _COMMITS else self.changes
            times[group] = max(time_ms, times.get(group, -1))


def _parsed(key: bytes) -> tuple[int, str] | None:
    """Return version and group of a key, None for what is none: each begins with them."""
    try:
        version, length = struct.unpack_from(">hh", key)
        group = key[4 : 4 + length]
        return (version, group.decode()) if length >= 0 and len(group) == length else None
    except (struct.error, UnicodeDecodeError):
        return None
