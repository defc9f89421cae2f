"""The drop-in for confluent_kafka.Consumer."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.cimpl import Consumer as RawConsumer

from cutover_shim import codes, config
from cutover_shim.clients import plain_client
from cutover_shim.consumer_core import FAST_S, ConsumerCore, Fast
from cutover_shim.cutover_file import ClusterName


class Consumer(RawConsumer):
    """Consumer with confluent_kafka's interface, whose cluster can change while it is in use.

    A change happens inside the application's own poll() or consume(): rebalance callbacks run there, with this object
    as their consumer. Additional properties, and what survives a change: docs/shim.md.
    Without a cutover file it is confluent_kafka's Consumer, method for method. Timeouts are in seconds, negative for
    none. Every method but close() raises RuntimeError on a closed consumer, and KafkaException for what the cluster or
    the client refuses.
    Raises CutoverFileError if the file cannot be used at the start, KafkaException or ValueError for a configuration
    that is refused, and TypeError if there is none.
    """

    # poll() reads `_shim_fast`, and nothing else of this object. It is a slot because an attribute in the dictionary of
    # an object that derives from a C type costs more than all the rest of poll(); so would any __getattr__.
    __slots__ = ("__dict__", "__weakref__", "_shim", "_shim_fast")

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        if cls is Consumer and config.is_plain(args, kwargs):
            return super().__new__(_PlainConsumer)
        made = super().__new__(cls)
        # A derived class may not call the constructor: until then it is like a closed client, as the raw one is.
        made._shim, made._shim_fast = ConsumerCore.never_opened(made), None
        return made

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The base is never initialised: every method is overridden, and this object holds a real client instead.
        self._shim: ConsumerCore
        self._shim_fast: Fast | None
        self._shim = core = ConsumerCore(self, config.settings(args, kwargs))
        core.start()

    # -- reading -----------------------------------------------------------------------------------------------------

    def poll(self, timeout: float = -1) -> Any:
        """Return the next Message, or None after `timeout` seconds; None also while the route is held.

        Callbacks run here. Raises what a callback raises.
        """
        fast = self._shim_fast
        if fast is not None:
            try:
                client, times = fast
                message = client.poll(0.0)  # a message that is there already needs no look at the time
            except RuntimeError as error:
                self._shim.unless_changed(error)
            else:
                if message is not None:
                    times.fresh = True
                    return message
        return self._shim.poll(timeout)

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Any]:
        """Return up to `num_messages` Messages, fewer after `timeout` seconds; none while the route is held.

        Callbacks run here. Raises what a callback raises, ValueError for a number outside 0 to 1,000,000.
        """
        messages: list[Any] = []
        fast = self._shim_fast
        if fast is not None:
            chunk = timeout if 0 <= timeout <= FAST_S else FAST_S
            try:
                client, times = fast
                messages = client.consume(num_messages, chunk)
            except RuntimeError as error:
                self._shim.unless_changed(error)
            else:
                if messages:
                    times.fresh = True
                if len(messages) >= num_messages or chunk == timeout:
                    return messages
                timeout = max(0.0, timeout - chunk) if timeout > 0 else timeout
        return self._shim.consume(messages, num_messages, timeout)

    # -- what is read ------------------------------------------------------------------------------------------------

    def subscribe(
        self,
        topics: list[str],
        on_assign: Callable[..., Any] | None = None,
        on_revoke: Callable[..., Any] | None = None,
        on_lost: Callable[..., Any] | None = None,
    ) -> None:
        """Subscribe to topics, or patterns that begin with "^"; callbacks get this consumer and the partitions.

        Raises KafkaException (_INVALID_ARG) for topics of another route than the group's, TypeError for arguments of a
        wrong type.
        """
        self._shim.open().subscribe(topics, on_assign, on_revoke, on_lost)

    def unsubscribe(self) -> None:
        """End the subscription; on_revoke runs at the next poll() or at close()."""
        self._shim.open().unsubscribe()

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Replace the assignment; after a change of cluster its partitions are read from the group's committed offsets.

        Raises KafkaException (ILLEGAL_GENERATION) for an offset of a cluster that was left.
        """
        self._shim.open().assign(partitions)

    def unassign(self) -> None:
        """Remove the assignment."""
        self._shim.open().unassign()

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        """Add partitions to the assignment, also after a change of cluster. Raises as assign()."""
        self._shim.open().incremental_assign(partitions)

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        """Remove partitions from the assignment."""
        self._shim.open().incremental_unassign(partitions)

    def assignment(self) -> list[TopicPartition]:
        """Return the assignment, which is empty while the route is held."""
        handle = self._shim.open().handle
        found: list[TopicPartition] = [] if handle is None else handle.assignment()
        return found

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Pause partitions; they stay paused after a change of cluster."""
        self._shim.open().pause(partitions)

    def resume(self, partitions: list[TopicPartition]) -> None:
        """Resume partitions."""
        self._shim.open().resume(partitions)

    def seek(self, partition: TopicPartition) -> None:
        """Set the position of a partition to its offset.

        Raises KafkaException: _STATE while the route is held, ILLEGAL_GENERATION for an offset of a cluster that was
        left.
        """
        self._shim.open().seek(partition)

    # -- offsets -----------------------------------------------------------------------------------------------------

    def commit(self, *args: Any, **kwargs: Any) -> Any:
        """Commit the offset after a `message`, or `offsets`, or by default what is stored.

        Return the committed offsets with `asynchronous=False`, otherwise None. Raises KafkaException: _NO_OFFSET if
        nothing is stored or the route is held, ILLEGAL_GENERATION for an offset of a cluster that was left.
        """
        route = self._shim.open()
        handle = route.handle
        if handle is None:
            raise codes.error(codes.NO_OFFSET, "Commit failed: the route is held")
        if route.moved:
            given = dict(zip(("message", "offsets"), args, strict=False)) | kwargs
            route.refuse_foreign(given.get("message"), given.get("offsets") or [])
        done: list[TopicPartition] | None = handle.commit(*args, **kwargs)
        if done is not None:
            route.offsets.confirmed(done)
        return done

    def store_offsets(self, message: Any = None, offsets: list[TopicPartition] | None = None) -> None:
        """Store the offset after a message, or offsets, for the next commit.

        Raises KafkaException: _STATE while the route is held, ILLEGAL_GENERATION for an offset of a cluster that was
        left.
        """
        route = self._shim.open()
        handle = route.handle
        route.refuse_foreign(message, offsets or [])
        if handle is None:
            raise codes.error(codes.STATE, "StoreOffsets failed: the route is held")
        handle.store_offsets(message=message, offsets=offsets) if offsets is not None else handle.store_offsets(message)

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Return the offsets after the last messages read; OFFSET_INVALID for all while the route is held."""
        route = self._shim.open()
        if route.handle is None:
            return [TopicPartition(p.topic, p.partition) for p in partitions]
        found: list[TopicPartition] = route.handle.position(partitions)
        route.positions.answered(found)
        return found

    def committed(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        """Return the group's committed offsets on the cluster in use.

        Raises KafkaException (_TIMED_OUT, also while the route is held) if there is no answer in time.
        """
        found: list[TopicPartition] = self._shim.client(timeout).committed(partitions, timeout=timeout)
        self._shim.route.positions.answered(found)
        return found

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = -1, cached: bool = False
    ) -> tuple[int, int]:
        """Return a partition's first offset and its end offset on the cluster in use. Raises as committed()."""
        found: tuple[int, int] = self._shim.client(timeout).get_watermark_offsets(
            partition, timeout=timeout, cached=cached
        )
        ends = [TopicPartition(partition.topic, partition.partition, offset) for offset in found]
        self._shim.route.positions.answered(ends)
        return found

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        """Return the first offsets at or after the times (ms) that the partitions have as offsets; -1 for the end.

        Raises as committed().
        """
        found: list[TopicPartition] = self._shim.client(timeout).offsets_for_times(partitions, timeout=timeout)
        self._shim.route.positions.answered(found)
        return found

    # -- asking the cluster ------------------------------------------------------------------------------------------

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """Return the ClusterMetadata of the cluster in use, for all topics or one. Raises as committed()."""
        client = self._shim.client(timeout, "Handle has been closed")
        return client.list_topics(timeout=timeout) if topic is None else client.list_topics(topic, timeout)

    def cluster_id(self, timeout: float = -1) -> str:
        """Return the id of the cluster in use. Raises as committed()."""
        found: str = self._shim.client(timeout, "Handle has been closed").cluster_id(timeout)
        return found

    def memberid(self) -> str | None:  # type: ignore[override]
        """Return the member id in the group, None before there is one or while the route is held."""
        handle = self._shim.open().handle
        return None if handle is None else handle.memberid()

    def consumer_group_metadata(self) -> Any:
        """Return what a transactional producer needs of this consumer; None while the route is held."""
        handle = self._shim.open().handle
        return None if handle is None else handle.consumer_group_metadata()

    def set_sasl_credentials(self, username: str, password: str) -> None:
        """Set the SASL credentials of the client in use; those of the next cluster are in the cutover file."""
        handle = self._shim.open("Handle has been closed").handle
        if handle is not None:
            handle.set_sasl_credentials(username, password)

    def cutover_cluster(self, topic: str | None = None) -> ClusterName | None:  # noqa: ARG002 - as Producer's
        """Return the cluster that is read now, and so the last message's: "source", "target", or None while held."""
        return self._shim.route.cluster

    # -- closing -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Commit what is due, leave the group and close; a second call does nothing. Raises what a callback raises."""
        self._shim.close()

    def __del__(self) -> None:
        # As the raw client: it leaves its group, and no thread or connection is left.
        with contextlib.suppress(AttributeError):  # a plain client has none
            core = self._shim
            if not sys.is_finalizing():
                core.drop()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, exc_traceback: Any) -> bool | None:  # noqa: PYI036 - the client's
        self.close()
        return None


_PlainConsumer = plain_client(Consumer, RawConsumer)
