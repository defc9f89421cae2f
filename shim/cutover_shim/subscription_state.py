"""What a consumer reads: subscription or assignment, pauses, seeks and the application's rebalance callbacks."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from cutover_shim import codes, config, native
from cutover_shim.cutover_file import ClusterName, CutoverFile, CutoverFileError
from cutover_shim.positions import LOOK_S, Positions


class SubscriptionState:
    """What is to be read, remembered so that it can be carried over to another cluster.

    `handle` is the client in use, None while held. `changed` is called after every change that the status shows.
    """

    def __init__(self, shell: Any, settings: config.Settings, changed: Callable[[], None]) -> None:
        self._shell = weakref.ref(shell)
        self.changed = changed
        self.conf: Mapping[str, Any] = settings.conf
        self.group: str | None = config.group_of(settings.conf, None)
        self.name: str | None = None  # of the route
        self.file: CutoverFile | None = None
        self.handle: Any = None
        self.cluster: ClusterName | None = None
        self.state = "held"
        self.moved = False  # a cluster was left: the application may still have messages of it
        self.assigned: set[tuple[str, int]] = set()
        self.paused: set[tuple[str, int]] = set()
        self.topics: list[str] | None = None  # the subscription; None for an assignment by hand
        self.callbacks: tuple[Any, ...] = (None, None, None)
        self.manual: list[TopicPartition] | None = None
        self.positions = Positions()
        self.own_start: str | None = None  # a partition in which the application starts at an offset of its own
        self.cond = native.Condition()
        self.closing = False
        self._own_offsets = settings.own_offsets
        self._assigned_in_callback = False  # the application called assign() in its on_assign
        self._calling_back = False  # a rebalance callback of the application is running
        self._extra: dict[tuple[str, int], TopicPartition] = {}  # assigned next to the subscription, in no callback

    def on_joined(self) -> None:
        """Take note of the first assignment on a cluster."""

    def on_leaving(self, partitions: list[TopicPartition]) -> None:
        """Take note that on_revoke has run for partitions that are left."""

    def refuse_foreign(self, message: Any, offsets: Iterable[TopicPartition]) -> None:
        """Raise KafkaException (ILLEGAL_GENERATION) for an offset of a cluster that was left."""
        if self.moved and self.handle is not None:
            self.positions.refuse_foreign(self.handle, message, offsets)

    def merged(self) -> dict[str, Any]:
        """Return the properties of the client in use; while held, those of the source's."""
        cluster = None if self.file is None else self.file.clusters[self.cluster or "source"]
        return config.for_cluster(self.conf, cluster)

    # -- subscription ------------------------------------------------------------------------------------------------

    def read_topics(self) -> list[str]:
        """Return the topics that are read; of a pattern, those that were assigned."""
        named = [t for t in self.topics or [] if not t.startswith("^")]
        return [*named, *sorted({topic for topic, _ in self.assigned} - set(named))]

    def _matched(self, topics: list[str]) -> list[str]:
        """Return the topics of the cluster in use that the patterns among `topics` match now."""
        patterns = [t for t in topics if t.startswith("^")]
        if not patterns or self.handle is None or self.name is None:
            return []
        try:
            there = self.handle.list_topics(timeout=LOOK_S).topics
            return sorted(t for t in there if any(re.match(pattern, t) for pattern in patterns))
        except (KafkaException, re.error):
            return []  # the topics that are then assigned are checked again when the consumer is to move

    def spans_routes(self, topics: list[str], file: CutoverFile) -> str | None:
        """Return why this group cannot read these topics across a switch; None if it can."""
        try:
            routes = {r: t for t in topics if (r := file.route_of_topic(t)) is not None}
        except CutoverFileError as error:
            return str(error)
        others = {r: t for r, t in routes.items() if r != self.name}
        if not others or (self.name is None and len(routes) == 1):
            return None
        found = ", ".join(f"{topic!r} is in the route {route}" for route, topic in sorted(others.items()))
        own = f"is in the route {self.name}" if self.name is not None else "is in no route"
        return f"the group {self.group!r} {own}, but {found}: put a group and the topics that it reads in one route"

    def subscribe(self, topics: Any, *callbacks: Callable[..., Any] | None) -> None:
        """Subscribe on the cluster in use, or when there is one.

        Raises TypeError for arguments of a wrong type, KafkaException (_INVALID_ARG) for topics of more than this
        group's route, and what the client raises.
        """
        if not isinstance(topics, list):
            raise TypeError("expected list of topic unicode strings")
        topics = [str(t) for t in topics]  # as the client does
        for name, callback in zip(("on_assign", "on_revoke", "on_lost"), callbacks, strict=True):
            if not (callback is None or callable(callback)):
                raise TypeError(f"{name} expects a callable")
        if self.file is not None:
            named = [t for t in topics if not t.startswith("^")]
            why = self.spans_routes(named + self._matched(topics), self.file)
            if why is not None:
                raise codes.error(codes.INVALID_ARG, why)
        before = self.topics, self.callbacks, self.manual
        self.topics, self.callbacks, self.manual = topics, callbacks, None
        self._extra.clear()
        try:
            if self.handle is not None:
                self.subscribe_again()
        except BaseException:
            self.topics, self.callbacks, self.manual = before
            raise

    def subscribe_again(self) -> None:
        """Subscribe the client in use to what the application has subscribed to."""
        if not self.assigned and self.state == self.cluster:
            self.state = "joining"
        self.handle.subscribe(self.topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def unsubscribe(self) -> None:
        """End the subscription. The callbacks stay: the client calls on_revoke at the next poll() or at close()."""
        if self.handle is not None:
            self.handle.unsubscribe()
        self.topics = None
        self._extra.clear()

    # -- rebalance callbacks, which the client calls -----------------------------------------------------------------
    # A client that was replaced (see ConsumerRoute._replace_client) still closes on another thread: what it calls then
    # concerns neither the application nor this state.

    def _on_assign(self, inner: Any, partitions: list[TopicPartition]) -> None:
        if inner is not self.handle:
            return
        self._assigned_in_callback = False
        self.note_start(inner, partitions)
        self._call_back(self.callbacks[0], partitions)
        paused = [p for p in partitions if (p.topic, p.partition) in self.paused]
        extra = self._extra_ones(partitions)
        if paused or extra:
            # The client would assign only after this callback, and might fetch before it can be paused.
            if not self._assigned_in_callback:
                (inner.incremental_assign if self._cooperative() else inner.assign)(partitions)
            if extra:
                inner.incremental_assign(extra)
            inner.pause([TopicPartition(p.topic, p.partition) for p in paused])
        self.note_assigned([*partitions, *extra])

    def _on_revoke(self, inner: Any, partitions: list[TopicPartition]) -> None:
        self._lose(inner, self.callbacks[1], partitions)

    def _on_lost(self, inner: Any, partitions: list[TopicPartition]) -> None:
        self._lose(inner, self.callbacks[2] or self.callbacks[1], partitions)

    def _lose(self, inner: Any, callback: Callable[..., Any] | None, partitions: list[TopicPartition]) -> None:
        if inner is not self.handle:
            return
        try:
            self._call_back(callback, partitions)
        finally:
            if self.state == "draining" and not self.closing:
                self.on_leaving(partitions)
            with self.cond:
                self.assigned -= {(p.topic, p.partition) for p in partitions}
            self.changed()

    def _call_back(self, callback: Callable[..., Any] | None, partitions: list[TopicPartition]) -> None:
        if callback is None:
            return
        self._calling_back = True
        try:
            callback(self._shell(), partitions)
        finally:
            self._calling_back = False

    def _extra_ones(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Return what the application had assigned next to its subscription, for the first assignment on a cluster."""
        if self.state != "joining":
            return []
        given = {(p.topic, p.partition) for p in partitions}
        return [TopicPartition(*key) for key in self._extra if key not in given]

    def _cooperative(self) -> bool:
        conf = self.merged()
        strategy = str(conf.get("partition.assignment.strategy", ""))
        return "cooperative" in strategy or str(conf.get("group.protocol", "classic")).lower() == "consumer"

    def note_start(self, handle: Any, partitions: list[TopicPartition]) -> None:
        """Note where reading starts, for the commits that are due when this cluster is left."""
        if self.name is not None:  # otherwise it is never left
            self.positions.note_start(handle, partitions, self.merged())

    def note_assigned(self, partitions: list[TopicPartition]) -> None:
        """Note what the client in use was assigned; the first assignment on a cluster completes a change."""
        with self.cond:
            self.assigned |= {(p.topic, p.partition) for p in partitions}
            joined = self.state == "joining" and self.cluster is not None
            for p in partitions:
                self.positions.seeks.pop((p.topic, p.partition), None)
        if joined:
            self.on_joined()
        self.changed()

    # -- assignment by hand, or in a callback ------------------------------------------------------------------------

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Assign; without a subscription it is carried over to the next cluster, without the offsets.

        Raises KafkaException (ILLEGAL_GENERATION) for an offset of a cluster that was left, and what the client raises.
        """
        self._assigned_in_callback = True
        self._check_start(partitions)
        if self.handle is not None:
            self.handle.assign(partitions)
        if self.topics is None:
            self.manual = list(partitions)
            self.note_assigned(self.manual)

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        """Add to the assignment; outside a rebalance callback it is carried over to the next cluster.

        Raises as `assign`.
        """
        self._assigned_in_callback = True
        self._check_start(partitions)
        if self.handle is not None:
            self.handle.incremental_assign(partitions)
        if self.topics is None:
            self.manual = [*(self.manual or []), *partitions]
            self.note_assigned(partitions)
        elif not self._calling_back:
            self._extra |= {(p.topic, p.partition): p for p in partitions}
            self.assigned |= self._extra.keys()
            self.changed()

    def _check_start(self, partitions: list[TopicPartition]) -> None:
        """Note where reading will start, and whether that is an offset of the application's own.

        Raises KafkaException (ILLEGAL_GENERATION) for such an offset after a switch, unless the application keeps the
        offsets of the two clusters apart.
        """
        if self.handle is None or self.file is None:
            return
        if not isinstance(partitions, list) or not all(isinstance(p, TopicPartition) for p in partitions):
            return  # the client refuses it with its own error
        foreign = self.positions.foreign(partitions)
        if foreign and not self._own_offsets:
            self.refuse_foreign(None, foreign)
        self.note_start(self.handle, partitions)
        if self._calling_back and foreign:
            self.own_start = f"{foreign[0].topic} [{foreign[0].partition}] at {foreign[0].offset}"

    def unassign(self) -> None:
        """Remove the assignment."""
        if self.handle is not None:
            self.handle.unassign()
        if self.topics is None:
            self.manual = None
            self.assigned.clear()

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        """Remove partitions from the assignment."""
        if self.handle is not None:
            self.handle.incremental_unassign(partitions)
        gone = {(p.topic, p.partition) for p in partitions}
        if not self._calling_back:
            self._extra = {key: p for key, p in self._extra.items() if key not in gone}
        if self.topics is None:
            self.manual = [p for p in self.manual or [] if (p.topic, p.partition) not in gone]
            self.assigned -= gone

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Pause partitions, also on the next cluster."""
        if self.handle is not None:
            self.handle.pause(partitions)
        self.paused |= {(p.topic, p.partition) for p in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        """Resume partitions, also on the next cluster."""
        if self.handle is not None:
            self.handle.resume(partitions)
        self.paused -= {(p.topic, p.partition) for p in partitions}

    def seek(self, partition: TopicPartition) -> None:
        """Seek on the cluster in use.

        Raises KafkaException: _STATE while held, ILLEGAL_GENERATION for an offset of a cluster that was left.
        """
        if self.handle is None:
            raise codes.error(codes.STATE, "Failed to seek: the route is held")
        if self.positions.foreign([partition]) and not (self._own_offsets and self._unread(partition)):
            self.refuse_foreign(None, [partition])
        self.handle.seek(partition)
        self.positions.seeks[partition.topic, partition.partition] = partition.offset
        self.changed()

    def _unread(self, partition: TopicPartition) -> bool:
        return bool(self.handle.position([TopicPartition(partition.topic, partition.partition)])[0].offset < 0)

    def was_read(self, messages: Iterable[Any]) -> None:
        """Forget the seeks of the partitions of these messages."""
        seeks = self.positions.seeks
        for message in messages:
            if message.error() is None:
                seeks.pop((message.topic(), message.partition()), None)
        if not seeks:
            self.changed()
