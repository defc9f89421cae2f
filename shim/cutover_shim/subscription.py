"""What a consumer reads: subscription or assignment, pauses, seeks and the application's rebalance callbacks."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import TopicPartition

from cutover_shim import codes, native
from cutover_shim.cutover_file import CutoverFile, CutoverFileError


class Subscription:
    """What is to be read, remembered so that it can be taken to another cluster.

    `handle` is the client in use, None while held. `changed` is called after every change that the status shows.
    """

    def __init__(self, shell: Any, conf: Mapping[str, Any], changed: Callable[[], None]) -> None:
        self._shell = weakref.ref(shell)
        self.changed = changed
        self.conf = conf
        group = conf.get("group.id")
        self.group: str | None = None if group is None else str(group)
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

    def on_joined(self) -> None:
        """Take note of the first assignment on a cluster."""

    def on_leaving(self, partitions: list[TopicPartition]) -> None:
        """Take note that on_revoke has run for partitions that are left."""

    # -- subscription ------------------------------------------------------------------------------------------------

    def _across(self, topics: list[str], file: CutoverFile) -> str | None:
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
            why = self._across(topics, self.file)
            if why is not None:
                raise codes.error(codes.INVALID_ARG, why)
        before = self.topics, self.callbacks, self.manual
        self.topics, self.callbacks, self.manual = topics, callbacks, None
        try:
            if self.handle is not None:
                self._subscribe()
        except BaseException:
            self.topics, self.callbacks, self.manual = before
            raise

    def _subscribe(self) -> None:
        self.handle.subscribe(self.topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def _on_assign(self, inner: Any, partitions: list[TopicPartition]) -> None:
        callback = self.callbacks[0]
        self._touched = False
        if callback is not None:
            callback(self._shell(), partitions)
        paused = [p for p in partitions if (p.topic, p.partition) in self.paused]
        if paused:
            # The client would assign only after this callback, and might fetch before it can be paused.
            if not self._touched:
                (inner.incremental_assign if self._cooperative() else inner.assign)(partitions)
            inner.pause([TopicPartition(p.topic, p.partition) for p in paused])
        self._assigned(partitions)

    def _cooperative(self) -> bool:
        strategy = str(self._merged("partition.assignment.strategy", ""))
        return "cooperative" in strategy or str(self._merged("group.protocol", "classic")).lower() == "consumer"

    def _merged(self, name: str, default: Any) -> Any:
        if self.file is not None and self.cluster is not None:
            return self.file.clusters[self.cluster].properties.get(name, self.conf.get(name, default))
        return self.conf.get(name, default)

    def _assigned(self, partitions: list[TopicPartition]) -> None:
        with self.cond:
            self.assigned |= {(p.topic, p.partition) for p in partitions}
            joined = self.state == "joining" and self.cluster is not None
            self.seeks.clear()
        if joined:
            self.on_joined()
        self.changed()

    def _on_revoke(self, _inner: Any, partitions: list[TopicPartition]) -> None:
        callback = self.callbacks[1]
        try:
            if callback is not None:
                callback(self._shell(), partitions)
        finally:
            self._revoked(partitions)

    def _on_lost(self, _inner: Any, partitions: list[TopicPartition]) -> None:
        callback = self.callbacks[2] or self.callbacks[1]
        try:
            if callback is not None:
                callback(self._shell(), partitions)
        finally:
            self._revoked(partitions)

    def _revoked(self, partitions: list[TopicPartition]) -> None:
        if self.state == "draining" and not self._closing:
            self.on_leaving(partitions)
        with self.cond:
            self.assigned -= {(p.topic, p.partition) for p in partitions}
        self.changed()

    def unsubscribe(self) -> None:
        """End the subscription."""
        if self.handle is not None:
            self.handle.unsubscribe()
        self.topics, self.callbacks = None, (None, None, None)

    # -- assignment by hand, or from within a callback ---------------------------------------------------------------

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Assign; outside a subscription it is remembered for the next cluster."""
        self._touched = True
        if self.handle is not None:
            self.handle.assign(partitions)
        if self.topics is None:
            self.manual = list(partitions)
            self._assigned(self.manual)

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        """Add to the assignment."""
        self._touched = True
        if self.handle is not None:
            self.handle.incremental_assign(partitions)
        if self.topics is None:
            self.manual = [*(self.manual or []), *partitions]
            self._assigned(partitions)

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
