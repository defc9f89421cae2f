"""What a consumer reads: subscription or assignment, pauses, seeks and the application's rebalance callbacks."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from cutover_shim import codes, config, native
from cutover_shim.cutover_file import CutoverFile, CutoverFileError
from cutover_shim.positions import LOOK_S, Positions


class Subscription:
    """What is to be read, remembered so that it can be taken to another cluster.

    `handle` is the client in use, None while held. `changed` is called after every change that the status shows.
    """

    def __init__(self, shell: Any, conf: Mapping[str, Any], changed: Callable[[], None]) -> None:
        self._shell = weakref.ref(shell)
        self.changed = changed
        self.conf = conf
        self.group: str | None = config.group_of(conf, None)
        self.route: str | None = None
        self.file: CutoverFile | None = None
        self.handle: Any = None
        self.cluster: str | None = None
        self.state = "held"
        self.assigned: set[tuple[str, int]] = set()
        self.paused: set[tuple[str, int]] = set()
        self.seeks: dict[tuple[str, int], int] = {}  # positions that were sought and not read from yet
        self.topics: list[str] | None = None  # the subscription; None where partitions are assigned by hand
        self.callbacks: tuple[Any, ...] = (None, None, None)
        self.manual: list[TopicPartition] | None = None
        self.cond = native.Condition()
        self._closing = False
        self._touched = False  # the application called assign() inside its on_assign
        self._calling_back = False  # a rebalance callback of the application is running
        self._extra: dict[tuple[str, int], TopicPartition] = {}  # assigned beside the subscription, outside a callback
        self.positions = Positions()
        self.brought: str | None = None  # a partition in which the application starts from an offset of its own

    def on_joined(self) -> None:
        """Take note of the first assignment on a cluster."""

    def on_leaving(self, partitions: list[TopicPartition]) -> None:
        """Take note that on_revoke has run for partitions that are left."""

    def guard(self, message: Any, offsets: Any) -> None:
        """Refuse offsets of a cluster that was left. Raises KafkaException (ILLEGAL_GENERATION)."""

    # -- subscription ------------------------------------------------------------------------------------------------

    def _read_topics(self) -> list[str]:
        """Name the topics that this member reads; of a pattern, those that it was assigned."""
        named = [t for t in self.topics or [] if not t.startswith("^")]
        return [*named, *sorted({topic for topic, _ in self.assigned} - set(named))]

    def _matched(self, topics: list[str]) -> list[str]:
        """Name the topics of the cluster in use that the patterns among `topics` match now."""
        patterns = [t for t in topics if t.startswith("^")]
        if not patterns or self.handle is None or self.route is None:
            return []
        try:
            there = self.handle.list_topics(timeout=LOOK_S).topics
            return sorted(t for t in there if any(re.match(pattern, t) for pattern in patterns))
        except (KafkaException, re.error):
            return []  # what the group is then assigned is looked at again when it is to move

    def _across(self, topics: list[str], file: CutoverFile) -> str | None:
        """Tell why topics cannot be read by this group across a switch; None if they can."""
        try:
            routes = {r: t for t in topics if (r := file.route_of_topic(t)) is not None}
        except CutoverFileError as error:
            return str(error)
        others = {r: t for r, t in routes.items() if r != self.route}
        if not others or (self.route is None and len(routes) == 1):
            return None
        told = ", ".join(f"{topic!r} is in the route {route}" for route, topic in sorted(routes.items()))
        own = f"is in the route {self.route}" if self.route is not None else "is in no route"
        return f"the group {self.group!r} {own}, but {told}: a group and the topics that it reads belong in one route"

    def subscribe(self, topics: Any, *callbacks: Callable[..., Any] | None) -> None:
        """Subscribe on the cluster in use, or remember it for when there is one."""
        if not isinstance(topics, list):
            raise TypeError("expected list of topic unicode strings")
        topics = [str(t) for t in topics]  # as the client does
        for name, callback in zip(("on_assign", "on_revoke", "on_lost"), callbacks, strict=True):
            if not (callback is None or callable(callback)):
                raise TypeError(f"{name} expects a callable")
        if self.file is not None:
            why = self._across([t for t in topics if not t.startswith("^")] + self._matched(topics), self.file)
            if why is not None:
                raise codes.error(codes.INVALID_ARG, why)
        before = self.topics, self.callbacks, self.manual
        self.topics, self.callbacks, self.manual = topics, callbacks, None
        self._extra.clear()
        try:
            if self.handle is not None:
                self._subscribe()
        except BaseException:
            self.topics, self.callbacks, self.manual = before
            raise

    def _subscribe(self) -> None:
        if not self.assigned and self.state == self.cluster:
            self.state = "joining"
        self.handle.subscribe(self.topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def _on_assign(self, inner: Any, partitions: list[TopicPartition]) -> None:
        self._touched = False
        self._note_start(inner, partitions)
        self._call_back(self.callbacks[0], partitions)
        paused = [p for p in partitions if (p.topic, p.partition) in self.paused]
        extra = self._extra_ones(partitions)
        if paused or extra:
            # The client would assign only after this callback, and might fetch before it can be paused.
            if not self._touched:
                (inner.incremental_assign if self._cooperative() else inner.assign)(partitions)
            if extra:
                inner.incremental_assign(extra)
            inner.pause([TopicPartition(p.topic, p.partition) for p in paused])
        self._assigned([*partitions, *extra])

    def _extra_ones(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Return what the application had assigned beside its subscription, once the group is joined elsewhere."""
        if self.state != "joining":
            return []
        given = {(p.topic, p.partition) for p in partitions}
        return [TopicPartition(*key) for key in self._extra if key not in given]

    def _call_back(self, callback: Callable[..., Any] | None, partitions: list[TopicPartition]) -> None:
        if callback is None:
            return
        self._calling_back = True
        try:
            callback(self._shell(), partitions)
        finally:
            self._calling_back = False

    def _note_start(self, handle: Any, partitions: list[TopicPartition]) -> None:
        if self.route is not None:  # else it never leaves
            self.positions.note_start(handle, partitions, self.merged())

    def _cooperative(self) -> bool:
        conf = self.merged()
        strategy = str(conf.get("partition.assignment.strategy", ""))
        return "cooperative" in strategy or str(conf.get("group.protocol", "classic")).lower() == "consumer"

    def merged(self) -> dict[str, Any]:
        """Return the properties of the client in use; while held, those of the source's."""
        where = None if self.file is None else self.file.clusters[self.cluster or "source"]
        return config.for_cluster(self.conf, where)

    def _assigned(self, partitions: list[TopicPartition]) -> None:
        with self.cond:
            self.assigned |= {(p.topic, p.partition) for p in partitions}
            joined = self.state == "joining" and self.cluster is not None
            for p in partitions:
                self.seeks.pop((p.topic, p.partition), None)
        if joined:
            self.on_joined()
        self.changed()

    def _on_revoke(self, _inner: Any, partitions: list[TopicPartition]) -> None:
        try:
            self._call_back(self.callbacks[1], partitions)
        finally:
            self._revoked(partitions)

    def _on_lost(self, _inner: Any, partitions: list[TopicPartition]) -> None:
        try:
            self._call_back(self.callbacks[2] or self.callbacks[1], partitions)
        finally:
            self._revoked(partitions)

    def _revoked(self, partitions: list[TopicPartition]) -> None:
        if self.state == "draining" and not self._closing:
            self.on_leaving(partitions)
        with self.cond:
            self.assigned -= {(p.topic, p.partition) for p in partitions}
        self.changed()

    def unsubscribe(self) -> None:
        """End the subscription. The callbacks stay: the client calls on_revoke at the next poll() or at close()."""
        if self.handle is not None:
            self.handle.unsubscribe()
        self.topics = None
        self._extra.clear()

    # -- assignment by hand, or from within a callback ---------------------------------------------------------------

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Assign; outside a subscription it is remembered for the next cluster."""
        self._touched = True
        self._look_at(partitions)
        if self.handle is not None:
            self.handle.assign(partitions)
        if self.topics is None:
            self.manual = list(partitions)
            self._assigned(self.manual)

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        """Add to the assignment; outside a rebalance callback it is remembered for the next cluster."""
        self._touched = True
        self._look_at(partitions)
        if self.handle is not None:
            self.handle.incremental_assign(partitions)
        if self.topics is None:
            self.manual = [*(self.manual or []), *partitions]
            self._assigned(partitions)
        elif not self._calling_back:
            self._extra |= {(p.topic, p.partition): p for p in partitions}
            self.assigned |= self._extra.keys()
            self.changed()

    def _look_at(self, partitions: list[TopicPartition]) -> None:
        """Note where reading will start, and whether the application brought that offset along."""
        if self.handle is None or self.file is None:
            return
        if not isinstance(partitions, list) or not all(isinstance(p, TopicPartition) for p in partitions):
            return  # the client refuses it in its own words
        self._note_start(self.handle, partitions)
        foreign = self.positions.foreign(partitions)
        if self._calling_back and foreign:
            self.brought = f"{foreign[0].topic} [{foreign[0].partition}] at {foreign[0].offset}"

    def unassign(self) -> None:
        """Remove the assignment."""
        if self.handle is not None:
            self.handle.unassign()
        if self.topics is None:
            self.manual = None
            self.assigned.clear()

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        """Take out of the assignment."""
        if self.handle is not None:
            self.handle.incremental_unassign(partitions)
        gone = {(p.topic, p.partition) for p in partitions}
        if not self._calling_back:
            self._extra = {key: p for key, p in self._extra.items() if key not in gone}
        if self.topics is None:
            self.manual = [p for p in self.manual or [] if (p.topic, p.partition) not in gone]
            self.assigned -= gone

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Pause, and remember it for the next cluster."""
        if self.handle is not None:
            self.handle.pause(partitions)
        self.paused |= {(p.topic, p.partition) for p in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        """Resume, and remember it for the next cluster."""
        if self.handle is not None:
            self.handle.resume(partitions)
        self.paused -= {(p.topic, p.partition) for p in partitions}

    def seek(self, partition: TopicPartition) -> None:
        """Seek on the cluster in use."""
        if self.handle is None:
            raise codes.error(codes.STATE, "Failed to seek: the route is held")
        if self.positions.foreign([partition]):
            self.guard(None, [partition])
        self.handle.seek(partition)
        self.seeks[partition.topic, partition.partition] = partition.offset
        self.changed()

    def was_read(self, messages: Iterable[Any]) -> None:
        """Forget the seeks that these messages have answered."""
        for message in messages:
            if message.error() is None:
                self.seeks.pop((message.topic(), message.partition()), None)
        if not self.seeks:
            self.changed()
