"""The drop-in for confluent_kafka.Producer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.cimpl import Producer as RawProducer

from cutover_shim import codes, config, transactions
from cutover_shim.clients import closed_handle
from cutover_shim.gate import Callback
from cutover_shim.producer_core import ProducerCore


class Producer(RawProducer):
    """Producer with the interface of confluent_kafka's, whose cluster can be changed under it.

    Additional properties: `cutover.file`, `cutover.status`, `cutover.instance`, `cutover.route` (docs/shim.md).
    Without a cutover file it is confluent_kafka's Producer, method for method.
    Raises, beside what the client raises, CutoverFileError if the file cannot be used at start-up.
    """

    # What produce() and poll() look at, in slots: in the dictionary of an object that derives from a C type they cost
    # more.
    __slots__ = ("__dict__", "__weakref__", "_shim", "_shim_topics")

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        if cls is Producer and config.cutover_path(args, kwargs) is None:
            return super().__new__(_PlainProducer)
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The base is never initialised: every method is overridden, and this object holds real clients instead.
        self._shim: ProducerCore
        self._shim = core = ProducerCore(config.settings(args, kwargs))
        self._shim_topics = core.by_topic
        core.start()

    def __getattr__(self, name: str) -> Any:
        # A derived class has not called this constructor: the client then behaves as if it were closed.
        if name == "_shim":
            return ProducerCore.never_opened()
        if name == "_shim_topics":
            return {}
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

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
        """Produce a message, as the client does; while its route is held it waits in the shim."""
        try:
            lane = self._shim_topics[topic]
            if callback is None:
                callback = on_delivery
            if callback is not None:
                pair = lane.pair
                if pair[0] is not callback:
                    pair = lane.pair = (callback, lane.wrap(callback))
                lane.handle.produce(topic, value, key, partition, pair[1], None, timestamp, headers)
            elif headers is None and timestamp == 0:  # fewer arguments are parsed faster
                lane.handle.produce(topic, value, key, partition)
            else:
                lane.handle.produce(topic, value, key, partition, None, None, timestamp, headers)
        except KeyError:
            self._shim.resolve(topic)
            # By name: a derived class has a produce() of its own, which has already run.
            Producer.produce(self, topic, value, key, partition, callback, on_delivery, timestamp, headers)
        except RuntimeError as error:
            if not closed_handle(error):
                raise
            # The handle was closed between reading and calling it: it is being switched. Or this producer is closed.
            self._shim.check_open()
            lane = self._shim_topics[topic]
            lane.put(topic, value, key, partition, lane.wrap(callback), timestamp, headers)

    def produce_batch(
        self,
        topic: str,
        messages: list[dict[str, Any]],
        partition: int = -1,
        callback: Callback | None = None,
        on_delivery: Callback | None = None,
    ) -> int:
        """Produce several messages, as the client does; returns how many were taken."""
        if not isinstance(messages, list):
            raise TypeError("messages must be a list")
        lane = self._shim_topics.get(topic)
        if lane is None:
            lane = self._shim.resolve(topic)
        callback = callback if callback is not None else on_delivery
        handle = lane.steady
        try:
            if handle is not None:
                return _produce_batch(handle, topic, messages, partition, lane.wrap(callback), lane.deliver)
        except RuntimeError as error:
            if not closed_handle(error):
                raise
            self._shim.check_open()
        return sum(self._shim_produce_one(topic, m, partition, callback) for m in messages)

    def _shim_produce_one(self, topic: str, message: Any, partition: int, callback: Callback | None) -> bool:
        """Produce a batch's message by itself; one that cannot be is marked in its own dict, as the client does."""
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
        """Serve callbacks and return how many, as the client does."""
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
        """Wait until everything is delivered and return what is left, as the client does; held messages count."""
        return self._shim.flush(timeout)

    def purge(self, in_queue: bool = True, in_flight: bool = True, blocking: bool = True) -> None:
        """Purge messages, as the client does; those that wait in the shim are in its queue."""
        self._shim.purge(in_queue=in_queue, in_flight=in_flight, blocking=blocking)

    def __len__(self) -> int:
        return len(self._shim)

    def __bool__(self) -> bool:
        return True

    def cutover_cluster(self, topic: str | None = None) -> str | None:
        """Tell which cluster a topic's messages go to now: "source", "target", or None while they are held.

        Inside a delivery callback: the cluster that this report came from. Without a topic: the cluster of all, if it
        is one.
        """
        return self._shim.cluster(topic)

    # -- asking the cluster ------------------------------------------------------------------------------------------

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """Ask for metadata of the cluster in use, as the client does."""
        return self._shim.ask(
            timeout, lambda h: h.list_topics(timeout=timeout) if topic is None else h.list_topics(topic, timeout)
        )

    def cluster_id(self, timeout: float = -1) -> str:
        """Ask for the id of the cluster in use, as the client does."""
        found: str = self._shim.ask(timeout, lambda h: h.cluster_id(timeout))
        return found

    def set_sasl_credentials(self, username: str, password: str) -> None:
        """Set the credentials of the handles in use, as the client does."""
        self._shim.set_credentials(username, password)

    # -- transactions ------------------------------------------------------------------------------------------------

    def init_transactions(self, timeout: float = -1) -> None:
        """Initialise transactions, as the client does; while the route is held, on its release."""
        transactions.init(self._shim.only(), timeout)

    def begin_transaction(self) -> None:
        """Begin a transaction, as the client does; it never spans a change of cluster."""
        transactions.begin(self._shim.only(), bound=self._shim.bound())

    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], group_metadata: Any, timeout: float = -1
    ) -> None:
        """Make consumed offsets part of the transaction, as the client does, on the cluster of this producer."""
        transactions.send_offsets(self._shim.only(), positions, group_metadata, timeout)

    def commit_transaction(self, timeout: float = -1) -> None:
        """Commit, as the client does; while the route is held it waits for the release."""
        transactions.commit(self._shim.only(), timeout)

    def abort_transaction(self, timeout: float = -1) -> None:
        """Abort, as the client does."""
        transactions.abort(self._shim.only(), timeout)

    # -- closing -----------------------------------------------------------------------------------------------------

    def close(self) -> bool:
        """Deliver what is outstanding and close, as the client does.

        Held messages are waited for until their route is released or their delivery timeout has passed: nothing is
        dropped in silence.
        """
        return self._shim.close()

    def __del__(self) -> None:
        # As the client's own: what is not delivered is lost, and no thread or connection stays behind.
        core = getattr(self, "_shim", None)
        if core is not None and not core.closed and not sys.is_finalizing():
            core.drop()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, exc_traceback: Any) -> bool | None:  # noqa: PYI036 - the client's
        self.close()
        return None


def _produce_batch(
    handle: Any, topic: str, messages: list[Any], partition: int, callback: Any, deliver: Callable[..., None]
) -> int:
    """Produce a batch whose messages may have callbacks of their own, which are put behind `deliver`.

    They are put back into the application's dicts before it sees them again: a copy of each dict would cost twice that.
    """
    own = [m for m in messages if isinstance(m, dict) and m.get("callback") is not None]
    for message in own:
        message["callback"] = partial(deliver, message["callback"])  # made faster than a closure
    try:
        taken: int = handle.produce_batch(topic, messages, partition=partition, callback=callback)
        return taken
    finally:
        for message in own:
            message["callback"] = message["callback"].args[0]


class _PlainProducer(Producer):
    """What `Producer` makes without a cutover file: the client's own methods, with nothing in between."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not (args or kwargs):
            RawProducer.__init__(self)  # the client's own error; an empty **kwargs it would take for a configuration
        args, kwargs = config.plain(args, kwargs)
        RawProducer.__init__(self, *args, **kwargs)

    def cutover_cluster(self, topic: str | None = None) -> str | None:  # noqa: ARG002
        """There is no cutover: the only cluster counts as the source."""
        return "source"


for _name, _method in vars(RawProducer).items():
    if _name not in {"__new__", "__init__", "__doc__"}:
        setattr(_PlainProducer, _name, _method)
_PlainProducer.__name__ = _PlainProducer.__qualname__ = "Producer"
