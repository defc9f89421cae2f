"""Positions that only a client or an application has in memory, so that a switch neither loses nor misuses them.

A group has no committed offset in a partition from which it has not read yet. With `auto.offset.reset=latest` a
consumer that keeps running reads the first record that arrives there; one that joins elsewhere starts behind it.
Therefore the shim notes where each such partition starts, before the client looks it up, and commits that when the
consumer leaves.
An offset that the application keeps itself (in a database, say) belongs to the cluster where the record was read.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from cutover_shim import codes

Key = tuple[str, int]

LOOK_S = 10.0
_ANSWERS = 32
_LATEST = {"latest", "largest", "end"}
_END = -1
"""As a timestamp in a ListOffsets request: the end of the log (KIP-79)."""


def starts_at_end(conf: Mapping[str, Any]) -> bool:
    """Return whether a client with these properties starts at the end of a partition without a committed offset.

    That is also librdkafka's default (CONFIGURATION.md, `auto.offset.reset`).
    """
    return str(conf.get("auto.offset.reset", "largest")).strip().lower() in _LATEST


class Positions:
    """What is known about the partitions of one consumer on one cluster.

    `starts`: where reading starts, if that is not the group's committed offset. `seeks`: offsets that were sought and
    not read from yet.
    """

    def __init__(self) -> None:
        self.starts: dict[Key, int] = {}
        self.seeks: dict[Key, int] = {}
        self._answers: dict[Key, deque[int]] = {}

    def forget(self) -> None:
        """Forget everything: the consumer joins another cluster."""
        self.starts.clear()
        self.seeks.clear()
        self._answers.clear()

    def note_start(self, handle: Any, partitions: list[TopicPartition], conf: Mapping[str, Any]) -> None:
        """Note where the client will start in partitions without a committed offset of the group.

        To be called before the partitions are assigned: a record that arrives in between is then read, not skipped. A
        start that cannot be looked up is left out, and reported when the consumer leaves.
        """
        for each in partitions:
            if each.offset >= 0:
                self.starts[each.topic, each.partition] = each.offset
        unset = [TopicPartition(p.topic, p.partition) for p in partitions if p.offset < 0]
        if not unset or not starts_at_end(conf) or conf.get("group.id") is None:
            return
        with contextlib.suppress(KafkaException, RuntimeError):
            new = [p for p in handle.committed(unset, timeout=LOOK_S) if p.error is None and p.offset < 0]
            ends = [TopicPartition(p.topic, p.partition, _END) for p in new]
            for found in handle.offsets_for_times(ends, timeout=LOOK_S) if ends else ():
                if found.error is None and found.offset >= 0:
                    self.starts.setdefault((found.topic, found.partition), found.offset)

    def uncommitted(self, found: Iterable[TopicPartition]) -> tuple[list[TopicPartition], list[TopicPartition]]:
        """Split the partitions without a committed offset: those with a known start (as their offset), and the others.

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

    # -- offsets of the application ----------------------------------------------------------------------------------

    def answered(self, found: Iterable[TopicPartition]) -> None:
        """Note offsets that this cluster has returned to the application."""
        for each in found:
            answers = self._answers.setdefault((each.topic, each.partition), deque(maxlen=_ANSWERS))
            if each.error is None and each.offset >= 0:
                answers.append(each.offset)

    def foreign(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Return the partitions with an offset for which the application has asked this cluster nothing."""
        return [p for p in partitions if p.offset >= 0 and (p.topic, p.partition) not in self._answers]

    def refuse_foreign(self, handle: Any, message: Any, offsets: Iterable[TopicPartition]) -> None:
        """Raise KafkaException (ILLEGAL_GENERATION) for an offset that cannot be of the cluster in use.

        The offset is the one after `message`, if there is one, otherwise each of `offsets`. One beyond what was read
        here cannot be of a record that was read here; the same number on this cluster would skip records. Before
        anything was read, what counts is where reading starts, and what the cluster has returned to the application.
        """
        if message is not None:
            offsets = [TopicPartition(message.topic(), message.partition(), message.offset() + 1)]
        for each in offsets:
            if each.offset < 0:
                continue
            read = handle.position([TopicPartition(each.topic, each.partition)])[0].offset
            limit = read if read >= 0 or message is not None else self._unread_limit(handle, each)
            if each.offset > max(limit, self.seeks.get((each.topic, each.partition), -1)):
                raise codes.error(
                    codes.ILLEGAL_GENERATION,
                    f"{each.topic} [{each.partition}]: offset {each.offset} is beyond what was read on the cluster in "
                    "use, so it is of the cluster that was left: drop it",
                )

    def _unread_limit(self, handle: Any, unread: TopicPartition) -> int:
        """Return the highest offset that the application can have for a partition that was not read here yet."""
        key = unread.topic, unread.partition
        if unread.offset in self._answers.get(key, ()):
            return unread.offset
        if key in self.starts:
            return self.starts[key]
        committed = handle.committed([TopicPartition(*key)], timeout=LOOK_S)[0]
        if committed.error is not None:
            raise KafkaException(committed.error)
        return max(0, int(committed.offset))  # offset 0 skips nothing
