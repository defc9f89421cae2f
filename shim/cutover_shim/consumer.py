"""The drop-in for confluent_kafka.Consumer."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.cimpl import Consumer as RawConsumer

from cutover_shim import codes, config, native, runtime, status, watch
from cutover_shim.clients import closed_handle, deadline_of, left_until
from cutover_shim.cutover_file import CutoverFile
from cutover_shim.membership import CHUNK_S, Membership
from cutover_shim.words import Words

_FAST_S = 0.25  # a longer wait is cut into pieces, between which a switch can begin


_NEVER_OPENED: dict[str, Any] = {
    "_shim_closed": True,
    "_shim_fast": None,
    "_shim_refusal": None,
    "_shim_status": None,
    "_shim_watch": None,
}


class Consumer(RawConsumer):
    """Consumer with the interface of confluent_kafka's, whose cluster can be changed under it.

    A change happens inside the application's own poll() or consume(): rebalance callbacks run there, with this object
    as their consumer. Additional properties and what survives a change: docs/shim.md.
    Without a cutover file it is confluent_kafka's Consumer, method for method.
    Raises, beside what the client raises, CutoverFileError if the file cannot be used at start-up.
    """

    # What poll() looks at, in a slot: an attribute in the dictionary of an object that derives from a C type costs more
    # than all the rest of it.
    __slots__ = ("__dict__", "__weakref__", "_shim_fast")

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        if cls is Consumer and config.cutover_path(args, kwargs) is None:
            return super().__new__(_PlainConsumer)
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The base is never initialised: every method is overridden, and this object holds a real client instead.
        chosen = config.settings(args, kwargs)
        self._shim_conf = chosen
        self._shim_fast: RawConsumer | None = None
        self._shim_closed = False
        self._shim_refusal: str | None = None
        runtime.clients.add(self)
        self._shim_watch: watch.Watch | None = None
        self._shim_status: status.StatusFile | status.StatusTopic | None = None
        self._shim_dirty, self._shim_written = True, 0.0
        self._shim_words = Words("consumer", chosen.instance, chosen.file)
        changed = weakref.WeakMethod(self._shim_changed)
        self._shim_member = Membership(self, chosen, lambda: None if (call := changed()) is None else call())
        if chosen.file is None:
            self._shim_member.start(None)
        else:
            self._shim_watch = watch.watcher.follow(chosen.file)
            file = self._shim_watch.first()
            self._shim_member.start(file)
            if chosen.status:
                source = partial(config.of_source, chosen.conf, file)
                self._shim_status = status.writer(chosen.status, chosen.instance, source)
        self._shim_changed()
        if self._shim_watch is not None:
            member = self._shim_member
            self._shim_words.began(member.route, member.state, member.seen)
            watch.watcher.attach(self._shim_watch, self)

    def __getattr__(self, name: str) -> Any:
        # A derived class has not called this constructor: the client then behaves as if it were closed.
        try:
            return _NEVER_OPENED[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    # -- what the watcher and the membership call --------------------------------------------------------------------

    def _shim_apply(self, file: CutoverFile) -> None:
        self._shim_member.want(file)

    def _shim_tick(self, now: float) -> None:
        self._shim_member.tick(now)
        if self._shim_status is not None and (self._shim_dirty or now - self._shim_written >= watch.STATUS_EVERY_S):
            self._shim_dirty, self._shim_written = False, now
            self._shim_status.write(self._shim_document())

    def _shim_changed(self) -> None:
        member = self._shim_member
        with member.cond:  # reading the state and writing the answer is one act: the last change wins
            handle = member.handle
            fast = handle is not None and member.quiet and not member.seeks and not self._shim_closed
            self._shim_fast = handle if fast else None
        self._shim_dirty = True
        if member.file is not None and member.state in {"source", "target", "held"} and not self._shim_closed:
            if member.route is not None:
                self._shim_words.at(member.route, member.state, member.applied)
            self._shim_words.left_behind(*member.left_behind(), member.file, "consumers")
        if self._shim_status is not None:
            watch.watcher.wake()

    def _shim_document(self) -> dict[str, Any]:
        member, watched = self._shim_member, self._shim_watch
        return status.document(
            instance=self._shim_conf.instance,
            role="consumer",
            group=member.group,
            seen_generation=member.seen,
            rejected=member.refused or (watched.rejected if watched is not None else None),
            routes={} if member.route is None else {member.route: member.report()},
            unrouted=int(member.route is None),
            closed=self._shim_closed,
        )

    def _shim_exit(self, timeout_s: float) -> None:
        self._shim_closed = True
        if self._shim_status is not None:
            self._shim_status.finish(self._shim_document(), timeout_s)

    def _shim_forked(self) -> Any:
        self._shim_closed, self._shim_refusal, self._shim_fast = True, runtime.FORKED, None
        kept, self._shim_status = self._shim_status, None
        return self._shim_member, kept

    def _shim_open(self, words: str = "Consumer closed") -> Membership:
        if self._shim_closed:
            raise RuntimeError(self._shim_refusal or words)
        return self._shim_member

    # -- reading -----------------------------------------------------------------------------------------------------

    def poll(self, timeout: float = -1) -> Any:
        """Return the next message or None, as the client does; None too while the route is held."""
        fast = self._shim_fast
        if fast is not None:
            try:
                message = fast.poll(0.0)  # what is there already, before it is looked at how long to wait for more
            except RuntimeError as error:
                self._shim_unless_switched(error)
            else:
                if message is not None:
                    return message
        return self._shim_poll(timeout)

    def _shim_unless_switched(self, error: RuntimeError) -> None:
        # Another thread of the application may have been at the switch, and closed what this one was reading from.
        if self._shim_closed or not closed_handle(error):
            raise error

    def _shim_poll(self, timeout: float) -> Any:
        deadline = deadline_of(timeout)
        while True:
            handle = self._shim_open().advance()
            left = left_until(deadline)
            try:
                message = None if handle is None else handle.poll(min(left, _FAST_S))
            except RuntimeError as error:
                self._shim_unless_switched(error)
                continue
            if message is not None:
                if self._shim_member.seeks:
                    self._shim_member.was_read([message])
                return message
            if handle is None:
                self._shim_member.wait(min(left, CHUNK_S))
            if left_until(deadline) == 0:
                return None

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Any]:
        """Return up to so many messages, as the client does; an empty list while the route is held."""
        messages: list[Any] = []
        handle = self._shim_fast
        if handle is not None:
            chunk = timeout if 0 <= timeout <= _FAST_S else _FAST_S
            try:
                messages = handle.consume(num_messages, chunk)
            except RuntimeError as error:
                self._shim_unless_switched(error)
            else:
                if len(messages) >= num_messages or chunk == timeout:
                    return messages
                timeout = max(0.0, timeout - chunk) if timeout > 0 else timeout
        return self._shim_consume(messages, num_messages, timeout)

    def _shim_consume(self, messages: list[Any], wanted: int, timeout: float) -> list[Any]:
        deadline = deadline_of(timeout)
        while True:
            if messages and self._shim_member.due:
                return messages  # a switch is due, and what is in hand was read before it
            handle = self._shim_open().advance()
            left = left_until(deadline)
            try:
                if handle is not None:
                    messages += handle.consume(wanted - len(messages), min(left, CHUNK_S))
                elif messages:
                    return messages
                else:
                    self._shim_member.wait(min(left, CHUNK_S))
            except RuntimeError as error:
                self._shim_unless_switched(error)
            if len(messages) >= wanted or left_until(deadline) == 0:
                if self._shim_member.seeks:
                    self._shim_member.was_read(messages)
                return messages

    # -- what is read ------------------------------------------------------------------------------------------------

    def subscribe(
        self,
        topics: list[str],
        on_assign: Callable[..., Any] | None = None,
        on_revoke: Callable[..., Any] | None = None,
        on_lost: Callable[..., Any] | None = None,
    ) -> None:
        """Subscribe, as the client does. Raises KafkaException for topics of more than this group's route."""
        self._shim_open().subscribe(topics, on_assign, on_revoke, on_lost)

    def unsubscribe(self) -> None:
        """End the subscription, as the client does."""
        self._shim_open().unsubscribe()

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Set the assignment, as the client does."""
        self._shim_open().assign(partitions)

    def unassign(self) -> None:
        """Remove the assignment, as the client does."""
        self._shim_open().unassign()

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        """Add to the assignment, as the client does."""
        self._shim_open().incremental_assign(partitions)

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        """Take out of the assignment, as the client does."""
        self._shim_open().incremental_unassign(partitions)

    def assignment(self) -> list[TopicPartition]:
        """Return the assignment; empty while the route is held."""
        handle = self._shim_open().handle
        found: list[TopicPartition] = [] if handle is None else handle.assignment()
        return found

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Pause partitions, as the client does; the pause outlives a switch."""
        self._shim_open().pause(partitions)

    def resume(self, partitions: list[TopicPartition]) -> None:
        """Resume partitions, as the client does."""
        self._shim_open().resume(partitions)

    def seek(self, partition: TopicPartition) -> None:
        """Set the position, as the client does."""
        self._shim_open().seek(partition)

    # -- offsets -----------------------------------------------------------------------------------------------------

    def commit(self, *args: Any, **kwargs: Any) -> Any:
        """Commit offsets, as the client does. Raises KafkaException while the route is held: nothing is owned then."""
        member = self._shim_open()
        handle = member.handle
        if handle is None:
            raise codes.error(codes.NO_OFFSET, "Commit failed: the route is held")
        if member.moved:
            given = dict(zip(("message", "offsets"), args, strict=False)) | kwargs
            member.guard(given.get("message"), given.get("offsets"))
        done = handle.commit(*args, **kwargs)
        if done is not None:
            member.note_committed(done)
        return done

    def store_offsets(self, message: Any = None, offsets: list[TopicPartition] | None = None) -> None:
        """Store offsets for the next commit, as the client does."""
        member = self._shim_open()
        handle = member.handle
        member.guard(message, offsets)
        if handle is None:
            raise codes.error(codes.STATE, "StoreOffsets failed: the route is held")
        handle.store_offsets(message=message, offsets=offsets) if offsets is not None else handle.store_offsets(message)

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Return positions, as the client does; none is known while the route is held."""
        handle = self._shim_open().handle
        if handle is None:
            return [TopicPartition(p.topic, p.partition) for p in partitions]
        found: list[TopicPartition] = handle.position(partitions)
        self._shim_member.positions.asked(partitions)
        return found

    def committed(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        """Fetch committed offsets from the cluster in use, as the client does."""
        found: list[TopicPartition] = self._shim_any(timeout).committed(partitions, timeout=timeout)
        self._shim_member.positions.asked(partitions)
        return found

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = -1, cached: bool = False
    ) -> tuple[int, int]:
        """Fetch a partition's first and end offset from the cluster in use, as the client does."""
        found: tuple[int, int] = self._shim_any(timeout).get_watermark_offsets(
            partition, timeout=timeout, cached=cached
        )
        self._shim_member.positions.asked([partition])
        return found

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        """Look up offsets by time on the cluster in use, as the client does."""
        found: list[TopicPartition] = self._shim_any(timeout).offsets_for_times(partitions, timeout=timeout)
        self._shim_member.positions.asked(partitions)
        return found

    # -- asking the cluster ------------------------------------------------------------------------------------------

    def _shim_any(self, timeout: float, words: str = "Consumer closed") -> Any:
        """Wait for a handle, as one waits for a cluster that does not answer."""
        deadline = deadline_of(timeout)
        while True:
            handle = self._shim_open(words).handle
            if handle is not None:
                return handle
            if left_until(deadline) == 0:
                raise codes.error(codes.TIMED_OUT, "the route is held: no cluster to ask")
            native.sleep(min(left_until(deadline), CHUNK_S))

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """Ask for metadata of the cluster in use, as the client does."""
        handle = self._shim_any(timeout, "Handle has been closed")
        return handle.list_topics(timeout=timeout) if topic is None else handle.list_topics(topic, timeout)

    def cluster_id(self, timeout: float = -1) -> str:
        """Ask for the id of the cluster in use, as the client does."""
        found: str = self._shim_any(timeout, "Handle has been closed").cluster_id(timeout)
        return found

    def memberid(self) -> str | None:  # type: ignore[override]
        """Return the member id in the group, or None, as the client does."""
        handle = self._shim_open().handle
        return None if handle is None else handle.memberid()

    def consumer_group_metadata(self) -> Any:
        """Return what a transactional producer needs of this consumer, as the client does."""
        handle = self._shim_open().handle
        return None if handle is None else handle.consumer_group_metadata()

    def set_sasl_credentials(self, username: str, password: str) -> None:
        """Set the credentials of the handle in use, as the client does."""
        handle = self._shim_open("Handle has been closed").handle
        if handle is not None:
            handle.set_sasl_credentials(username, password)

    def cutover_cluster(self, topic: str | None = None) -> str | None:  # noqa: ARG002 - the same call as a producer's
        """Tell which cluster is read now, and so the last returned message's: "source", "target", None while held."""
        return self._shim_member.cluster

    # -- closing -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Commit what is due, leave the group and close, as the client does."""
        if self._shim_closed:
            return
        self._shim_member.close()
        self._shim_closed = True
        self._shim_fast = None
        if self._shim_watch is not None:
            watch.watcher.detach(self._shim_watch, self)
        if self._shim_status is not None:
            self._shim_status.finish(self._shim_document())

    def __del__(self) -> None:
        # As the client's own: it leaves its group, and no thread or connection stays behind.
        member = getattr(self, "_shim_member", None)
        if member is None or self._shim_closed or sys.is_finalizing():
            return
        self._shim_closed, self._shim_fast = True, None
        last = self._shim_document() if self._shim_status is not None else None
        member.drop()
        if self._shim_watch is not None:
            watch.watcher.detach(self._shim_watch, self)
        if self._shim_status is not None and last is not None:
            native.start_thread(partial(self._shim_status.finish, last), "cutover-last-status")

    def __enter__(self) -> Any:
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, exc_traceback: Any) -> bool | None:  # noqa: PYI036 - the client's
        self.close()
        return None


class _PlainConsumer(Consumer):
    """What `Consumer` makes without a cutover file: the client's own methods, with nothing in between."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not (args or kwargs):
            RawConsumer.__init__(self)  # the client's own error; an empty **kwargs it would take for a configuration
        args, kwargs = config.plain(args, kwargs)
        RawConsumer.__init__(self, *args, **kwargs)

    def cutover_cluster(self, topic: str | None = None) -> str | None:  # noqa: ARG002
        """There is no cutover: the only cluster counts as the source."""
        return "source"


for _name, _method in vars(RawConsumer).items():
    if _name not in {"__new__", "__init__", "__doc__"}:
        setattr(_PlainConsumer, _name, _method)
_PlainConsumer.__name__ = _PlainConsumer.__qualname__ = "Consumer"
