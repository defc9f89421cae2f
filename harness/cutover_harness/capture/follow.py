"""Follow a cluster's topics during a recording: record new ones, report what cannot be recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from confluent_kafka import Consumer, TopicPartition

from cutover_harness.capture.changes import Change, What
from cutover_harness.capture.cluster import ClusterView
from cutover_harness.capture.collect import Collector
from cutover_harness.capture.format import CaptureInfo
from cutover_harness.capture.parts import State
from cutover_harness.types import PartitionId
from cutover_harness.words import counted

_OLD = "what was not read of it by then is missing"


class Follower:
    """Applies changes of the cluster's topics to a running recording.

    A `live` recording takes up new topics and partitions from their start; any other has its ends, and they are beyond
    them. A topic that is gone, or another one by now, is not read on. `has`: whether a partition is to be recorded.
    """

    def __init__(
        self,
        view: ClusterView,
        state: State,
        collector: Collector,
        consumer: Consumer,
        has: Callable[[PartitionId], bool],
        *,
        live: bool,
        notify: Callable[[str], None],
    ) -> None:
        self._view = view
        self._state = state
        self._collector = collector
        self._consumer = consumer
        self._has = has
        self._live = live
        self._notify = notify

    def follow(self, changes: Sequence[Change], *, at_end: bool = False) -> None:
        """Apply changes; `at_end`: nothing more is read. Raises CaptureError."""
        for each in changes:
            if each.what in (What.APPEARED, What.GREW):
                self._more(each, at_end=at_end)
            else:
                self._gone(each)

    def lost(self, partitions: Iterable[PartitionId]) -> None:
        """Continue partitions whose next record is not in the log. Raises CaptureError."""
        wanted = [each for each in partitions if each in self._collector.open]
        if not wanted:
            return
        starts, ends = self._view.earliest(wanted), self._view.latest(wanted, read_committed=False)
        for where in wanted:
            topic, number = where
            at = self._collector.open[where].next
            if at > ends[where]:
                proof = f"the log of partition {number} ends at {ends[where]}, and {at} was read"
                self._close(topic, f"topic {topic} was deleted and recreated ({proof})")
                continue
            if starts[where] > at:
                self._note_missing(removed(where, at, starts[where]))
                self._collector.skip(where, starts[where])
            if where in self._collector.open:
                self._consumer.incremental_unassign([TopicPartition(topic, number)])
                self._consumer.incremental_assign([TopicPartition(topic, number, max(at, starts[where]))])

    def _more(self, change: Change, *, at_end: bool) -> None:
        topic = change.topic
        new = [(topic, number) for number in range(change.before, change.now) if self._has((topic, number))]
        if change.what is What.APPEARED:
            text = f"topic {topic} appeared with {counted(change.now, 'partition')}"
        else:
            text = f"topic {topic} grew from {change.before} to {counted(change.now, 'partition')}"
        if topic in self._state.closed:
            return
        if not self._live:
            self._note(f"{text}; they have no records from before the recording began")
            return
        self._know(topic, change.now)
        if at_end:
            held = sum(self._view.latest(new, read_committed=False).values())
            self._note(text)
            if held:
                self._note_missing(f"{text} just before the end: {counted(held, 'record')} of them")
            return
        self._note(f"{text}, which are recorded from their start")
        if not new:  # they are another shard's
            return
        self._collector.begin(topic, {number: 0 for _, number in new}, self._state)
        self._consumer.incremental_assign([TopicPartition(topic, number, 0) for _, number in new])

    def _know(self, topic: str, partitions: int) -> None:
        """Write the topic's current number of partitions into the capture's metadata."""
        info = CaptureInfo.from_json(self._state.info)
        known = info.topics.get(topic)
        if known is None:
            known = self._view.topic_infos({topic: partitions})[topic]
        topics = {**info.topics, topic: replace(known, partitions=partitions)}
        self._state.info = replace(info, topics=topics).to_json()

    def _gone(self, change: Change) -> None:
        how = "deleted" if change.what is What.DELETED else "deleted and recreated"
        self._close(change.topic, f"topic {change.topic} was {how}")

    def _close(self, topic: str, text: str) -> None:
        if topic in self._state.closed:
            return
        self._state.closed = [*self._state.closed, topic]
        left = self._collector.abandon(topic)
        self._note(text)
        if left:
            self._note_missing(f"{text} while it was recorded: {_OLD}, and all that it got since")
            self._consumer.incremental_unassign([TopicPartition(topic, number) for number in left])

    def _note(self, text: str) -> None:
        self._state.changed = [*self._state.changed, text]
        self._notify(text)

    def _note_missing(self, text: str) -> None:
        self._state.missing = [*self._state.missing, text]
        self._notify(f"missing: {text}")


def removed(where: PartitionId, first: int, start: int) -> str:
    """Return the message for records that retention removed before they were recorded."""
    return f"{where[0]}-{where[1]}: offsets {first} to {start - 1} were removed before they were recorded"


def resumed(state: State, changes: Sequence[Change]) -> None:
    """Write into `state` what changed since the previous sitting."""
    for each in changes:
        if each.what is What.APPEARED:
            state.changed = [*state.changed, f"topic {each.topic} appeared; it is recorded from its start"]
        elif each.what is What.GREW:
            now = counted(each.now, "partition")
            text = f"topic {each.topic} grew from {each.before} to {now}, recorded from their start"
            state.changed = [*state.changed, text]
        elif each.topic not in state.closed:
            how = "deleted" if each.what is What.DELETED else "deleted and recreated"
            text = f"topic {each.topic} was {how} between two sittings"
            state.closed = [*state.closed, each.topic]
            state.changed = [*state.changed, text]
            state.missing = [*state.missing, f"{text}: {_OLD}, and all that it got since"]
