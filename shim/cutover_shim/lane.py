"""The producer's side of a route: one handle at a time, and the machine that changes it.

    at A, the file says B
    -> preparing: B is connected and checked, produce() still goes to A
    -> draining:  produce() queues, what A was given is delivered
    -> held:      A is closed, so that nothing can reach it any more
    -> at B:      B gets the queue in its order, then produce() goes to B

`hold` stops at held. A change is driven by a thread that lives no longer than the change. It polls the old handle in
the application's stead, so that a change also ends where the application polls rarely; the callbacks that fall due on
it are put into the mail, which the application's own poll() and flush() serve: none runs on a thread of ours.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import Producer as RawProducer

from cutover_shim import codes, config, native, prepare
from cutover_shim.cutover_file import Cluster, CutoverFile, Where
from cutover_shim.gate import Callback, HeldQueue, Limits, report_for
from cutover_shim.status import nested

log = logging.getLogger("cutover_shim")

RETRY_S = 0.5
CHUNK_S = 0.05
INIT_S = 30.0


class Letter(NamedTuple):
    """A callback that fell due on a thread that is not the application's."""

    call: Callable[..., Any]
    args: tuple[Any, ...]
    cluster: str | None


class Lane:
    """One producer's messages of one route (`route` None: of no route, which stays on source).

    `handle` is what `produce()` is called on: the client of one cluster, or this lane's gate.
    """

    def __init__(
        self,
        route: str | None,
        conf: Mapping[str, Any],
        build: Callable[[str, CutoverFile | None, Lane], Any],
        mail: deque[Letter],
        changed: Callable[[], None],
        *,
        default: Callback | None = None,
    ) -> None:
        self.route = route
        self.conf = conf
        self.topics: set[str] = set()
        self.handle: Any = _Gate(self)
        self.cluster: str | None = None
        self.state = "held"
        self.error: str | None = None
        self.applied = -1
        self.desired: Where = "hold"
        self.file: CutoverFile | None = None
        self.acked: dict[tuple[str, int], int | None] = {}
        self.driver: int | None = None  # the ident of the thread that is changing this lane
        self.pair: tuple[Any, Any] = (None, None)
        self.serving = native.RLock()  # held by whoever flushes the handle: never the application and the driver
        self.cond = native.Condition()
        self.queue = HeldQueue(Limits(conf))
        self.default = default  # the client-wide delivery callback
        self._ready = False  # the fresh handle's init_transactions() is done
        self.initialised = False  # init_transactions() was called
        self.in_transaction = False
        self.pending = False  # begun, while there was no cluster to begin it on
        self.gating = False
        self.old: Any = None
        self.closing = False
        self._build = build
        self._mail = mail
        self._changed = changed
        self._fresh: tuple[Cluster, Any] | None = None

    # -- what the application's threads do ---------------------------------------------------------------------------

    def wrap(self, callback: Callback | None) -> Callback | None:
        """Make a delivery callback that records the acknowledgement, and never runs on the driver's thread."""
        if callback is None:
            return None

        acked = self.acked

        def report(error: KafkaError | None, message: Any) -> None:
            if error is None:
                acked[message.topic(), message.partition()] = message.offset()
            if self.driver is not None and native.get_ident() == self.driver:
                self._mail.append(Letter(callback, (error, message), self.cluster))
            else:
                callback(error, message)

        return report

    def deliver(self, callback: Callback, error: KafkaError | None, message: Any) -> None:
        """Call a delivery callback as `wrap` does."""
        if error is None:
            self.acked[message.topic(), message.partition()] = message.offset()
        if self.driver is not None and native.get_ident() == self.driver:
            self._mail.append(Letter(callback, (error, message), self.cluster))
        else:
            callback(error, message)

    def defer(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Make another callback of the client (error_cb, stats_cb, throttle_cb) keep off the driver's thread."""

        def call(*args: Any) -> None:
            if self.driver is not None and native.get_ident() == self.driver:
                self._mail.append(Letter(callback, args, self.cluster))
            else:
                callback(*args)

        return call

    def quiet(self, logger: Any) -> Any:
        """Make a logger of the client (its property `logger`) keep off the driver's thread."""
        return SimpleNamespace(log=self.defer(logger.log))

    def put(
        self, topic: str, value: Any, key: Any, partition: int, callback: Any, timestamp: int, headers: Any
    ) -> None:
        """Queue a message, or give it to the handle if the gate has been lifted meanwhile."""
        with self.cond:
            if not isinstance(self.handle, _Gate):
                self.handle.produce(topic, value, key, partition, callback, None, timestamp, headers)
                return
            if self.closing:
                raise RuntimeError("Producer has been closed")
            old = self.old
            self.queue.put(
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
            len(self.queue) + (len(old) if old is not None else 0) + (0 if isinstance(handle, _Gate) else len(handle))
        )

    @property
    def steady(self) -> Any:
        """The client that the application may poll by itself; None while the lane is held or changes."""
        handle = self.handle
        return None if isinstance(handle, _Gate) else handle

    def handles(self) -> list[Any]:
        """List the clients that this lane has in use: one, two while it changes, or none."""
        return [h for h in (self.old, self.steady) if h is not None]

    def expire(self, now: float) -> None:
        """Report the messages that waited for their whole delivery timeout."""
        if not self.queue:
            return
        with self.cond:
            for held in self.queue.expired(now):
                self.fail(held, codes.MSG_TIMED_OUT)

    def purge(self) -> None:
        """Report all held messages as purged."""
        with self.cond:
            while self.queue:
                self.fail(self.queue.pop(), codes.PURGE_QUEUE)

    def fail(self, held: Any, code: int, reason: str | None = None) -> None:
        """Put the failed delivery's report into the mail."""
        callback = held.callback or self.default
        if callback is not None:
            self._mail.append(Letter(callback, report_for(held, code, reason), self.cluster))
            self._changed()

    # -- what the file asks for --------------------------------------------------------------------------------------

    def want(self, file: CutoverFile) -> None:
        """Take the newest version of the file; a change that it asks for starts at once, on its own thread."""
        with self.cond:
            if self.closing or (self.file is not None and file.generation < self.file.generation):
                return
            self.file = file
            if self.route is not None:
                route = file.routes.get(self.route)
                if route is None:
                    self.error = f"the route {self.route!r} is no longer in the cutover file: staying where it is"
                    return
                self.desired = route.producers
            else:
                self.desired = "source"
            self.cond.notify_all()
            if self.settled:
                self.applied, self.error = file.generation, None
            elif self.driver is None:
                self.driver = -1
                native.start_thread(self._drive, f"cutover-lane-{self.route}")
        self._changed()

    def start(self, file: CutoverFile) -> None:
        """Go where the file says without a change: the lane is new. Raises what the client's constructor raises."""
        route = file.routes.get(self.route) if self.route is not None else None
        self.file, self.desired = file, "source" if route is None else route.producers
        self._limit("source")
        if self.desired != "hold":
            self.adopt(self.desired, self._build(self.desired, file, self))
        self.applied = file.generation

    def adopt(self, cluster: str, handle: Any) -> None:
        """Take a handle that was built for this lane."""
        self.cluster = self.state = cluster
        self.handle = handle
        self._limit(cluster)

    def _limit(self, cluster: str) -> None:
        """Hold messages by the limits of this cluster's client: it stays so until another one is in use."""
        where = None if self.file is None else self.file.clusters[cluster]
        self.queue.limits = Limits(config.for_cluster(self.conf, where))

    @property
    def settled(self) -> bool:
        """Whether the lane is where the file wants it and no change is under way."""
        return self.driver is None and self._at(self.desired)

    def _at(self, goal: Where) -> bool:
        if goal == "hold":
            return self.cluster is None and self.old is None
        return self.cluster == goal and self.steady is not None

    # -- the driver --------------------------------------------------------------------------------------------------

    def _drive(self) -> None:
        with self.cond:
            self.driver = native.get_ident()
        while self._step():
            self._changed()
        self._changed()

    def _step(self) -> bool:
        with self.cond:
            goal, file = self.desired, self.file
            if self.closing or file is None or self._at(goal):
                # Ending and saying so is one act under the lock: the next change starts a thread of its own.
                spare, self._fresh, self.driver = self._fresh, None, None
                if file is not None and not self.closing:
                    self.applied, self.error = file.generation, None
                    self.state = "held" if goal == "hold" else goal
                self.cond.notify_all()
                if spare is not None:
                    spare[1].close()
                return False
        try:
            if goal == "hold":
                self._seal(goal)
            elif self._prepared(goal, file) and (self.cluster is None or self._seal(goal)):
                self._release(goal)
        except Exception as error:  # noqa: BLE001 - whatever a cluster or the client answers: stay, report, retry
            self._trouble(goal, file, error)
        return True

    def _trouble(self, goal: Where, file: CutoverFile, error: Exception) -> None:
        text = str(error)
        for cluster in file.clusters.values():
            text = cluster.redact(text)
        if text != self.error:
            log.warning("cutover shim: the route %s cannot go to %s yet, retrying: %s", self.route, goal, text)
        self.error = text
        if not isinstance(error, prepare.NotFitError):
            # It may know no broker any more, if it met one that was fenced: without rebootstrapping that is for good.
            self._discard()
        self._changed()
        with self.cond:
            if self.desired == goal and not self.closing:
                self.cond.wait(RETRY_S)

    def _discard(self) -> None:
        """Close the handle that was made for the next cluster, if there is one."""
        spare, self._fresh = self._fresh, None
        if spare is not None:
            spare[1].close()

    def _prepared(self, goal: str, file: CutoverFile) -> bool:
        """Connect to the new cluster and check that it has what this lane needs. Raises when it is not fit."""
        if self._fresh is not None and self._fresh[0] != file.clusters[goal]:
            self._discard()
        if self.cluster is not None:
            self.state = "preparing"
        self._changed()
        if self._fresh is None:
            self._fresh = (file.clusters[goal], self._build(goal, file, self))
            self._ready = False
        route = file.routes.get(self.route) if self.route is not None else None
        conf = config.for_cluster(self.conf, file.clusters[goal])
        prepare.check(self._fresh[1], conf, goal, self.topics, () if route is None else route.topics, self.steady)
        self._initialise(self._fresh[1])
        with self.cond:
            return self.desired == goal and not self.closing

    def _initialise(self, handle: RawProducer) -> None:
        if self.initialised and not self._ready:
            handle.init_transactions(INIT_S)
            self._ready = True

    def _seal(self, goal: Where) -> bool:
        """Close the old handle when all that it was given is delivered. False: the file changed its mind in between."""
        with self.cond:
            self.state, self.gating = "draining", True
            while self.in_transaction and self.desired == goal and not self.closing:
                self.cond.wait(CHUNK_S)
            if not self.in_transaction:
                self.lower_gate()
        self._changed()
        old = self.old
        with self.serving:
            while old is not None and len(old) and not self._turned(goal):
                old.flush(CHUNK_S)
            if self._turned(goal) or old is None:
                return self._ungate()
            # A thread that read `handle` just before the gate fell may still be on its way into the old one. Closing
            # waits for those that are inside and delivers what they brought; later ones get RuntimeError and come back.
            old.close()
        with self.cond:
            self.old, self.cluster, self.state, self.gating = None, None, "held", False
            self.cond.notify_all()
        return True

    def lower_gate(self) -> None:
        """Make produce() queue from now on; the handle is still there to be drained. The caller has the lock."""
        if self.old is None:
            self.old, self.handle = self.handle, _Gate(self)

    def _turned(self, goal: Where) -> bool:
        # From one other cluster to another, or to hold, the drain goes on all the same; back to where we are, it ends.
        with self.cond:
            return self.closing or (self.desired != goal and (self.desired == self.cluster or self.in_transaction))

    def _ungate(self) -> bool:
        """Put the old handle back in its place, with what has been queued meanwhile."""
        if self.old is not None and not self.closing:
            self._fill(self.old, fresh=False)
        with self.cond:
            self.gating = False
            self.cond.notify_all()
        return False

    def _release(self, goal: str) -> None:
        """Give the queue to the new handle in its order, then the handle to the application."""
        assert self._fresh is not None  # noqa: S101 - _prepared has just made it
        with self.cond:
            self.cluster = goal
            self._limit(goal)
            self.acked.clear()
        self._fill(self._fresh[1], fresh=True)
        with self.cond:
            self._fresh, self._ready, self.state = None, False, goal
            self.cond.notify_all()

    def _fill(self, handle: RawProducer, *, fresh: bool) -> None:
        while not self.closing:
            with self.cond:
                self.old = handle
                # init_transactions() may have been called since this cluster was checked: that takes its time, below.
                if not (fresh and self.initialised and not self._ready) and self._move(handle):
                    self.handle, self.old = handle, None
                    return
            if fresh:
                self._initialise(handle)
            # No lock is held here: produce() goes on queueing while the handle works its own queue off.
            handle.poll(CHUNK_S if self.queue else 0)

    def _move(self, handle: RawProducer) -> bool:
        """Move queued messages over, oldest first. True: all of them; False: the handle is full."""
        if self.pending:
            handle.begin_transaction()
            self.pending, self.in_transaction = False, True
        while self.queue:
            held = self.queue.pop()
            try:
                handle.produce(
                    held.topic,
                    held.value,
                    held.key,
                    held.partition,
                    held.callback,
                    None,
                    held.timestamp,
                    held.headers,
                )
            except BufferError:
                self.queue.put_back(held)
                return False
            except KafkaException as error:
                self.fail(held, error.args[0].code(), error.args[0].str())
        return True

    def drop(self) -> None:
        """Stop changing and let go of the client in use, with whatever it has not delivered."""
        with self.cond:
            self.closing = True
            self.cond.notify_all()
            self.old, self.handle, self.cluster, self.state = None, _Gate(self), None, "held"
            self._fresh = None if self.driver is None else self._fresh  # else the driver closes it as it ends

    def close(self) -> None:
        """Close the client in use and stop changing. The caller has flushed: what is still queued stays unsent."""
        with self.cond:
            self.closing = True
            self.cond.notify_all()
            # A driver that still checks a new cluster ends by itself; one that has the old client must let go of it.
            self.cond.wait_for(lambda: self.driver is None or self.state == "preparing" or self.old is None)
            handles = self.handles()
        for handle in handles:
            handle.close()
        with self.cond:
            self.old, self.handle, self.cluster, self.state = None, _Gate(self), None, "held"

    def report(self) -> dict[str, Any]:
        """Describe this lane for the status document."""
        old, steady = self.old, self.steady
        return {
            "generation": self.applied,
            "desired": self.desired,
            "state": self.state,
            "cluster": self.cluster,
            "in_flight": sum(len(h) for h in (old, steady) if h is not None),
            "queued": len(self.queue),
            "acked": nested(self.acked),
            "committed": {},
            "assigned": {},
            "error": self.error,
        }


class _Gate:
    """Stands in the handle's place while a lane is held."""

    __slots__ = ("lane",)

    def __init__(self, lane: Lane) -> None:
        self.lane = lane

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
        """Queue what the client would have been given."""
        self.lane.put(topic, value, key, partition, callback, timestamp, headers)
