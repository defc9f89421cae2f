"""Positions that exist only in a client's or an application's memory, so that a switch does not lose them in silence.

A group has no committed offset in a partition from which nothing was read yet. With `auto.offset.reset=latest` a client
that was never restarted reads the first record that arrives there; a client that joins elsewhere starts behind it. So
the shim notes where each such partition starts, before the client looks for the same, and commits it when it leaves.
An offset that the application keeps itself (in a database, say) is of the cluster where the record was read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

Key = tuple[str, int]

LOOK_S = 10.0
_LATEST = {"latest", "largest", "end"}


def starts_at_end(conf: Mapping[str, Any]) -> bool:
    """Whether a client with these properties starts at the end of a partition without a committed offset.

    It is librdkafka's default, too (CONFIGURATION.md, `auto.offset.reset`).
    """
    return str(conf.get("auto.offset.reset", "largest")).strip().lower() in _LATEST


class Positions:
    """What is known of the partitions of one client, on one cluster."""

    def __init__(self) -> None:
        self.starts: dict[Key, int] = {}
        self._asked: set[Key] = set()

    def forget(self) -> None:
        """Start anew: the client joins another cluster."""
        self.starts.clear()
        self._asked.clear()

    def note_start(self, handle: Any, partitions: list[TopicPartition], conf: Mapping[str, Any]) -> None:
        """Note where the client will start in partitions that the group has committed nothing in.

        Has to run before the partitions are assigned: a record that arrives in between is then read, not skipped.
        What cannot be found out is left out, and told when the client leaves.
        """
        for each in partitions:
            if each.offset >= 0:
                self.starts[each.topic, each.partition] = each.offset
        unset = [TopicPartition(p.topic, p.partition) for p in partitions if p.offset < 0]
        if not unset or not starts_at_end(conf) or conf.get("group.id") is None:
            return
        with contextlib.suppress(KafkaException, RuntimeError):
            new = [p for p in handle.committed(unset, timeout=LOOK_S) if p.error is None and p.offset < 0]
            ends = [TopicPartition(p.topic, p.partition, _TO_THE_END) for p in new]
            for found in handle.offsets_for_times(ends, timeout=LOOK_S) if ends else ():
                if found.error is None and found.offset >= 0:
                    self.starts.setdefault((found.topic, found.partition), found.offset)

    def uncommitted(self, found: Iterable[TopicPartition]) -> tuple[list[TopicPartition], list[TopicPartition]]:
        """Split the partitions without a committed offset: those with a known start (as its offset), and the others.

        A partition whose committed offset could not be read is among the others: nothing may be committed over it.
        """
        known, unknown = [], []
        for each in found:
            if each.error is not None or each.offset < 0:
                start = self.starts.get((each.topic, each.partition))
                if start is None or each.error is not None:
                    unknown.append(each)
                else:
                    known.append(TopicPartition(each.topic, each.partition, start))
        return known, unknown

    def asked(self, partitions: Iterable[TopicPartition]) -> None:
        """Note that the application has asked this cluster for offsets in these partitions."""
        self._asked |= {(p.topic, p.partition) for p in partitions}

    def foreign(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Return the partitions whose offset the application brought along, as far as it asked nobody for it here."""
        return [p for p in partitions if p.offset >= 0 and (p.topic, p.partition) not in self._asked]


_TO_THE_END = -1
"""As a timestamp in a ListOffsets request: the end of the log (KIP-79)."""
