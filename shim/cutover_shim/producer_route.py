"""The producer side of a route: the client in use, the queue of held messages, and the change from one to the other.

    at A, the file wants B
    -> preparing: B is connected and checked, produce() still sends to A
    -> draining:  produce() queues, A delivers what it was given
    -> held:      A is closed, so that nothing can reach its cluster
    -> at B:      B sends the queue in its order, then produce() sends to B

`hold` stops at held. This module has what the application's threads use; `producer_switch` makes the change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError
from confluent_kafka.cimpl import Producer as RawProducer

from cutover_shim import codes, config, native
from cutover_shim.clients import build_client
from cutover_shim.cutover_file import ClusterName, CutoverFile, Location
from cutover_shim.deferred import DeferredCallbacks
from cutover_shim.held_messages import Callback, HeldMessage, HeldMessages, QueueLimits, failed_report
from cutover_shim.producer_switch import ProducerSwitch
from cutover_shim.status import nested
from cutover_shim.switch_times import SwitchTimes

_CALLBACKS = ("error_cb", "stats_cb", "throttle_cb")


class ProducerRoute:
    """One producer's messages of one route (`name` None: topics in no route, which stay on the source).

    `handle` is what `produce()` is called on: the client of one cluster, or a `_HoldHandle`, which queues. `old` is the
    client that is being drained. `cond` guards every change of these.
    """

    def __init__(
        self,
        name: str | None,
        conf: Mapping[str, Any],
        deferred: DeferredCallbacks,
        changed: Callable[[], None],
    ) -> None:
        self.name = name
        self.conf = conf
        self.topics: set[str] = set()
        self.handle: Any = _HoldHandle(self)
        self.old: Any = None
        self.cluster: ClusterName | None = None
        self.state = "held"
        self.error: str | None = None
        self.applied = -1
        self.desired: Location = "hold"
        self.file: CutoverFile | None = None
        self.acked: dict[tuple[str, int], int | None] = {}
        self.times = SwitchTimes()
        self.driver: int | None = None  # the ident of the thread that is changing this route; -1 while it starts
        self.changing = False  # from the driver's start to the first acknowledgement on the cluster that it reaches
        self.wrapped: tuple[Any, Any] = (None, None)  # the last delivery callback and what `wrap` made of it
        self.serving = native.RLock()  # held while a client is flushed: by the application or the driver, never both
        self.cond = native.Condition()
        self.held = HeldMessages(QueueLimits(conf))
        self.initialised = False  # init_transactions() was called
        self.in_transaction = False
        self.pending = False  # a transaction was begun while there was no cluster to begin it on
        self.draining = False  # a change waits for the end of a transaction, or drains
        self.closing = False
        self.changed = changed
        self._default: Callback | None = conf.get("on_delivery") or conf.get("dr_cb")
        self._deferred = deferred
        self._switch = ProducerSwitch(self)

    # -- clients and their callbacks ---------------------------------------------------------------------------------

    def build(self, cluster: ClusterName, file: CutoverFile | None) -> Any:
        """Construct a client of one cluster, whose callbacks never run on the driver's thread.

        Raises what the client's constructor raises, without secret values in the text.
        """
        conf, properties = self.conf, None
        if file is not None:
            properties = file.clusters[cluster]
            conf = config.for_cluster(conf, properties)
        conf = dict(conf)
        for name in _CALLBACKS:
            if callable(conf.get(name)):
                conf[name] = self._defer(conf[name])
        if hasattr(conf.get("logger"), "log"):
            conf["logger"] = SimpleNamespace(log=self._defer(conf["logger"].log))
        for name in ("on_delivery", "dr_cb"):
            if callable(conf.get(name)):
                conf[name] = self.wrap(conf[name])
        return build_client(RawProducer, conf, properties)

    def wrap(self, callback: Callback | None) -> Callback | None:
        """Return a delivery callback that records the acknowledgement and never runs on the driver's thread."""
        if callback is None:
            return None

        acked, times = self.acked, self.times

        def report(error: KafkaError | None, message: Any) -> None:
            if error is None:
                acked[message.topic(), message.partition()] = message.offset()
                times.fresh = True
            if self.changing:
                self._report(callback, error, message)
            else:
                callback(error, message)

        return report

    def deliver(self, callback: Callback, error: KafkaError | None, message: Any) -> None:
        """Call a delivery callback in the way of `wrap`."""
        if error is None:
            self.acked[message.topic(), message.partition()] = message.offset()
            self.times.fresh = True
        if self.changing:
            self._report(callback, error, message)
        else:
            callback(error, message)

    def _report(self, callback: Callback, error: KafkaError | None, message: Any) -> None:
        """Take the time of an acknowledgement, and call its callback, or defer it on the driver's thread."""
        if error is None and self.times.note():
            self.changed()
        if self.driver is not None and native.get_ident() == self.driver:
            self._deferred.add(callback, (error, message), self.cluster)
        else:
            callback(error, message)

    def _defer(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Return a callback (error_cb, stats_cb, throttle_cb, logger) that never runs on the driver's thread."""

        def call(*args: Any) -> None:
            if self.driver is not None and native.get_ident() == self.driver:
                self._deferred.add(callback, args, self.cluster)
            else:
                callback(*args)

        return call

    # -- what the application's threads call -------------------------------------------------------------------------

    def put(
        self, topic: str, value: Any, key: Any, partition: int, callback: Any, timestamp: int, headers: Any
    ) -> None:
        """Queue a message, or produce it if the route has been released in the meantime.

        Raises RuntimeError if the producer is closed, otherwise as `HeldMessages.put`.
        """
        with self.cond:
            if not isinstance(self.handle, _HoldHandle):
                self.handle.produce(topic, value, key, partition, callback, None, timestamp, headers)
                return
            if self.closing:
                raise RuntimeError("Producer has been closed")
            old = self.old
            self.held.put(
                topic,
                value,
                key,
                partition,
                callback,
                timestamp,
                headers,
                already=len(old) if old is not None else 0,
            )

    def __len__(self) -> int:
        old, handle = self.old, self.handle
        return (
            len(self.held)
            + (len(old) if old is not None else 0)
            + (0 if isinstance(handle, _HoldHandle) else len(handle))
        )

    @property
    def client(self) -> Any:
        """The client that the application may use; None while the route is held or changes."""
        handle = self.handle
        return None if isinstance(handle, _HoldHandle) else handle

    def clients(self) -> list[Any]:
        """Return the clients of this route that are open: none, one, or two during a change."""
        return [client for client in (self.old, self.client) if client is not None]

    def begin_hold(self) -> None:
        """Make produce() queue from now on; the client stays open to be drained. The caller holds `cond`."""
        if self.old is None:
            self.old, self.handle = self.handle, _HoldHandle(self)

    def tick(self, now: float) -> None:
        """Fail the held messages whose delivery timeout has passed, and take the time of acknowledgements.

        `now` is in seconds of `time.monotonic()`.
        """
        self.times.look()
        if self.changing:
            with self.cond:
                self.changing = self.driver is not None or self.times.awaits_first
        if not self.held:
            return
        with self.cond:
            for message in self.held.expired(now):
                self.fail(message, codes.MSG_TIMED_OUT)

    def purge(self) -> None:
        """Fail all held messages as purged."""
        with self.cond:
            while self.held:
                self.fail(self.held.pop(), codes.PURGE_QUEUE)

    def fail(self, message: HeldMessage, code: int, reason: str | None = None) -> None:
        """Defer the delivery callback of a message that failed, if it has one."""
        callback = message.callback or self._default
        if callback is not None:
            self._deferred.add(callback, failed_report(message, code, reason), self.cluster)
            self.changed()

    # -- what the cutover file wants ---------------------------------------------------------------------------------

    def follow(self, file: CutoverFile) -> None:
        """Take the newest version of the file; a change that it asks for starts immediately, on its own thread."""
        with self.cond:
            if self.closing or (self.file is not None and file.generation < self.file.generation):
                return
            self.file = file
            if self.name is not None:
                route = file.routes.get(self.name)
                if route is None:
                    self.error = f"route {self.name!r}: no longer in the cutover file: this producer stays where it is"
                    return
                self.desired = route.producers
            else:
                self.desired = "source"
            self.cond.notify_all()
            if self.settled:
                self.applied, self.error = file.generation, None
            elif self.driver is None:
                self.driver, self.changing = -1, True
                self.times.look()
                native.start_thread(self._switch.run, f"cutover-route-{self.name}")
        self.changed()

    def start(self, file: CutoverFile) -> None:
        """Take the location that the file wants, for a route without traffic. Raises as `build`."""
        route = file.routes.get(self.name) if self.name is not None else None
        self.file, self.desired = file, "source" if route is None else route.producers
        self.set_limits("source")
        if self.desired != "hold":
            self.use(self.desired, self.build(self.desired, file))
        self.applied = file.generation

    def use(self, cluster: ClusterName, client: Any) -> None:
        """Use a client that was built for this route."""
        self.cluster = self.state = cluster
        self.handle = client
        self.set_limits(cluster)

    def set_limits(self, cluster: ClusterName) -> None:
        """Limit held messages as this cluster's client limits its queue, until another cluster is used."""
        properties = None if self.file is None else self.file.clusters[cluster]
        self.held.limits = QueueLimits(config.for_cluster(self.conf, properties))

    @property
    def settled(self) -> bool:
        """Whether the route is where the file wants it and no change is under way."""
        return self.driver is None and self.is_at(self.desired)

    def is_at(self, goal: Location) -> bool:
        """Return whether the route is at this location, with nothing left to drain."""
        if goal == "hold":
            return self.cluster is None and self.old is None
        return self.cluster == goal and self.client is not None

    # -- the end -----------------------------------------------------------------------------------------------------

    def drop(self) -> None:
        """Stop any change and release the client in use without delivering what is outstanding."""
        with self.cond:
            self.closing = True
            self.cond.notify_all()
            self._closed()
            self._switch.drop()

    def close(self) -> None:
        """Stop any change and close the client in use. The caller has flushed: what is still held stays unsent."""
        with self.cond:
            self.closing = True
            self.cond.notify_all()
            # A driver that is checking the next cluster ends by itself; one that is draining has to release the client.
            self.cond.wait_for(lambda: self.driver is None or self.state == "preparing" or self.old is None)
            clients = self.clients()
        for client in clients:
            client.close()
        with self.cond:
            self._closed()

    def _closed(self) -> None:
        self.old, self.handle, self.cluster, self.state = None, _HoldHandle(self), None, "held"

    def report(self) -> dict[str, Any]:
        """Return this route's part of the status document."""
        return {
            "generation": self.applied,
            "desired": self.desired,
            "state": self.state,
            "cluster": self.cluster,
            "in_flight": sum(map(len, self.clients())),
            "queued": len(self.held),
            "acked": nested(self.acked),
            "committed": {},
            "assigned": {},
            "error": self.error,
            **self.times.report("acked"),
        }


class _HoldHandle:
    """What `produce()` is called on while a route is held."""

    __slots__ = ("_route",)

    def __init__(self, route: ProducerRoute) -> None:
        self._route = route

    def produce(
        self,
        topic: str,
        value: Any,
        key: Any,
        partition: int,
        callback: Any = None,
        _on_delivery: None = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> None:
        """Queue the message."""
        self._route.put(topic, value, key, partition, callback, timestamp, headers)
