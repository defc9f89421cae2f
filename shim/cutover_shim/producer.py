"""The drop-in for confluent_kafka.Producer."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.cimpl import Producer as RawProducer

from cutover_shim import codes, config, transactions
from cutover_shim.clients import closed_handle, plain_client
from cutover_shim.cutover_file import ClusterName
from cutover_shim.held_messages import Callback
from cutover_shim.producer_core import ProducerCore


class Producer(RawProducer):
    """Producer with confluent_kafka's interface, whose cluster can change while it is in use.

    Additional properties begin with `cutover.`: docs/shim.md lists them.
    Without a cutover file it is confluent_kafka's Producer, method for method. Timeouts are in seconds, negative for
    none. Every method raises RuntimeError on a closed producer.
    Raises CutoverFileError if the file cannot be used at the start, KafkaException for a property that is refused, and
    TypeError if there is no configuration.
    """

    # produce() and poll() read these. They are slots because an attribute in the dictionary of an object that derives
    # from a C type costs more; so would any __getattr__.
    __slots__ = ("__dict__", "__weakref__", "_shim", "_shim_topics")

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        if cls is Producer and config.is_plain(args, kwargs):
            return super().__new__(_PlainProducer)
        made = super().__new__(cls)
        # A derived class may not call the constructor: until then it is like a closed client, as the raw one is.
        made._shim, made._shim_topics = ProducerCore.never_opened(), {}
        return made

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The base is never initialised: every method is overridden, and this object holds real clients instead.
        self._shim: ProducerCore
        self._shim = core = ProducerCore(config.settings(args, kwargs))
        self._shim_topics = core.routes.by_topic
        core.start()

    # -- producing ---------------------------------------------------------------------------------------------------

    def produce(
        self,
        topic: str,
        value: str | bytes | None = None,
        key: str | bytes | None = None,
        partition: int = -1,
        callback: Callback | None = None,
        on_delivery: Callback | None = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> None:
        """Produce a message; while its route is held, queue it in the shim.

        `partition` -1: the partitioner chooses. `timestamp` in milliseconds, 0 for now. `headers`: a dict or a list of
        (name, value) pairs. `callback` or `on_delivery` is called with the error, or None, and the message.
        Raises BufferError if the queue is full, KafkaException for a message that is refused (too large, a second route
        in a transaction), TypeError for an argument of a wrong type.
        """
        try:
            route = self._shim_topics[topic]
            if callback is None:
                callback = on_delivery
            if callback is not None:
                wrapped = route.wrapped
                if wrapped[0] is not callback:
                    wrapped = route.wrapped = (callback, route.wrap(callback))
                route.handle.produce(topic, value, key, partition, wrapped[1], None, timestamp, headers)
            elif headers is None and timestamp == 0:  # fewer arguments are parsed faster
                route.handle.produce(topic, value, key, partition)
            else:
                route.handle.produce(topic, value, key, partition, None, None, timestamp, headers)
        except KeyError:
            self._shim.resolve(topic)
            # By name: a derived class has a produce() of its own, which has already run.
            Producer.produce(self, topic, value, key, partition, callback, on_delivery, timestamp, headers)
        except RuntimeError as error:
            if not closed_handle(error):
                raise
            # The client was closed after `handle` was read: its route changes. Or this producer is closed.
            self._shim.check_open()
            route = self._shim_topics[topic]
            route.put(topic, value, key, partition, route.wrap(callback), timestamp, headers)

    def produce_batch(
        self,
        topic: str,
        messages: list[dict[str, Any]],
        partition: int = -1,
        callback: Callback | None = None,
        on_delivery: Callback | None = None,
    ) -> int:
        """Produce several messages and return how many were accepted; while the route is held, queue them in the shim.

        A message is a dict with `value`, `key`, `partition`, `timestamp`, `callback`, each optional. One that is not
        accepted gets its KafkaError as `_error`. Raises TypeError if `messages` is no list of dicts.
        """
        if not isinstance(messages, list):
            raise TypeError("messages must be a list")
        route = self._shim_topics.get(topic)
        if route is None:
            route = self._shim.resolve(topic)
        callback = callback if callback is not None else on_delivery
        client = route.client
        try:
            if client is not None:
                return _produce_batch(client, topic, messages, partition, route.wrap(callback), route.deliver)
        except RuntimeError as error:
            if not closed_handle(error):
                raise
            self._shim.check_open()
        return sum(self._shim_produce_one(topic, m, partition, callback) for m in messages)

    def _shim_produce_one(self, topic: str, message: Any, partition: int, callback: Callback | None) -> bool:
        """Produce one message of a batch and return whether it was accepted; otherwise its dict gets the error."""
        if not isinstance(message, dict):
            raise TypeError("Each message must be a dict")
        try:
            Producer.produce(
                self,
                topic,
                message.get("value"),
                message.get("key"),
                message.get("partition", partition),
                message.get("callback", callback),
                None,
                message.get("timestamp", 0),
            )
        except BufferError:
            message["_error"] = KafkaError(codes.QUEUE_FULL)
        except KafkaException as error:
            message["_error"] = error.args[0]
        return "_error" not in message

    # -- serving callbacks -------------------------------------------------------------------------------------------

    def poll(self, timeout: float = -1) -> int:
        """Serve callbacks on this thread and return how many; wait for the first one at most `timeout` seconds.

        Raises what a callback raises.
        """
        if timeout == 0:
            single = self._shim.single
            if single is not None:
                try:
                    return single.poll(0)
                except RuntimeError as error:
                    if not closed_handle(error):  # a callback's own
                        raise
        return self._shim.poll(timeout)

    def flush(self, timeout: float = -1) -> int:
        """Wait until every message has its report and return how many have none; held messages count.

        Raises what a callback raises.
        """
        return self._shim.flush(timeout)

    def purge(self, in_queue: bool = True, in_flight: bool = True, blocking: bool = True) -> None:
        """Remove messages from the queue, held messages included, or those in flight.

        Their callbacks get `_PURGE_QUEUE` or `_PURGE_INFLIGHT` at the next poll().
        """
        self._shim.purge(in_queue=in_queue, in_flight=in_flight, blocking=blocking)

    def __len__(self) -> int:
        """Return how many messages and deferred callbacks wait, held messages included."""
        return len(self._shim)

    def __bool__(self) -> bool:
        return True

    def cutover_cluster(self, topic: str | None = None) -> ClusterName | None:
        """Return the cluster to which a topic's messages go now: "source", "target", or None while they are held.

        Inside a delivery callback: the cluster that this report came from. Without a topic: the cluster of all routes
        in use, None if they differ. Raises KafkaException if a transactional producer would span routes.
        """
        return self._shim.cluster(topic)

    # -- asking the cluster ------------------------------------------------------------------------------------------

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """Return the ClusterMetadata of the cluster in use, for all topics or one.

        Raises KafkaException (_TRANSPORT, or _TIMED_OUT, also while the route is held) if there is no answer in time.
        """
        return self._shim.ask(
            timeout, lambda c: c.list_topics(timeout=timeout) if topic is None else c.list_topics(topic, timeout)
        )

    def cluster_id(self, timeout: float = -1) -> str:
        """Return the id of the cluster in use. Raises as list_topics()."""
        found: str = self._shim.ask(timeout, lambda c: c.cluster_id(timeout))
        return found

    def set_sasl_credentials(self, username: str, password: str) -> None:
        """Set the SASL credentials of the clients in use; those of the next cluster are in the cutover file."""
        self._shim.set_credentials(username, password)

    # -- transactions ------------------------------------------------------------------------------------------------

    def init_transactions(self, timeout: float = -1) -> None:
        """Initialise transactions; while the route is held, on its release. Raises KafkaException if that fails."""
        transactions.init(self._shim.only(), timeout)

    def begin_transaction(self) -> None:
        """Begin a transaction, which never spans a change of cluster.

        Raises KafkaException (_STATE) before init_transactions() or within a transaction.
        """
        transactions.begin(self._shim.only(), bound=self._shim.bound())

    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], group_metadata: Any, timeout: float = -1
    ) -> None:
        """Add consumed offsets to the transaction, on this producer's cluster: the consumer has to be on the same one.

        Raises KafkaException if that fails; a retriable _TIMED_OUT while the route is held.
        """
        transactions.send_offsets(self._shim.only(), positions, group_metadata, timeout)

    def commit_transaction(self, timeout: float = -1) -> None:
        """Commit the transaction; while the route is held, wait for its release.

        Raises KafkaException if that fails; a retriable _TIMED_OUT if the route is not released in time.
        """
        transactions.commit(self._shim.only(), timeout)

    def abort_transaction(self, timeout: float = -1) -> None:
        """Abort the transaction; held messages are reported as `_PURGE_QUEUE`. Raises KafkaException if that fails."""
        transactions.abort(self._shim.only(), timeout)

    # -- closing -----------------------------------------------------------------------------------------------------

    def close(self) -> bool:
        """Wait until every message has its report, close and return True.

        Held messages are waited for until their route is released or their delivery timeout has passed: nothing is
        dropped in silence. Raises what a callback raises.
        """
        return self._shim.close()

    def __del__(self) -> None:
        # As the raw client: what is not delivered is lost, and no thread or connection is left.
        with contextlib.suppress(AttributeError):  # a plain client has none
            core = self._shim
            if not sys.is_finalizing():
                core.drop()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, exc_traceback: Any) -> bool | None:  # noqa: PYI036 - the client's
        self.close()
        return None


def _produce_batch(
    client: Any, topic: str, messages: list[Any], partition: int, callback: Any, deliver: Callable[..., None]
) -> int:
    """Produce a batch with a client, and have callbacks of single messages called by way of `deliver`.

    The application's dicts get their own callbacks back before it sees them: copying each dict would cost twice that.
    """
    own = [m for m in messages if isinstance(m, dict) and m.get("callback") is not None]
    for message in own:
        message["callback"] = partial(deliver, message["callback"])  # made faster than a closure
    try:
        accepted: int = client.produce_batch(topic, messages, partition=partition, callback=callback)
        return accepted
    finally:
        for message in own:
            message["callback"] = message["callback"].args[0]


_PlainProducer = plain_client(Producer, RawProducer)
