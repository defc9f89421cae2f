"""The change of a producer route's cluster, on a thread that lives no longer than the change.

The thread polls the old client in the application's stead, so that a change ends even if the application rarely polls.
Callbacks that become due there are deferred to the application's own poll() and flush(): none runs on this thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException
from confluent_kafka.cimpl import Producer as RawProducer

from cutover_shim import config, native, prepare
from cutover_shim.cutover_file import Cluster, ClusterName, CutoverFile, Location

if TYPE_CHECKING:
    from cutover_shim.producer_route import ProducerRoute

log = logging.getLogger("cutover_shim")

RETRY_S = 0.5
CHUNK_S = 0.05
INIT_S = 30.0


class ProducerSwitch:
    """Changes the cluster of one route. `run` is the thread; the route's `driver` is its ident."""

    def __init__(self, route: ProducerRoute) -> None:
        self._route = route
        self._next: tuple[Cluster, Any] | None = None  # the next cluster and its client, connected and checked
        self._next_initialised = False  # the next client's init_transactions() is done

    def run(self) -> None:
        """Change the route until it is where the newest file wants it."""
        route = self._route
        with route.cond:
            route.driver = native.get_ident()
        while self._continues():
            pass

    def _continues(self) -> bool:
        """Take a step, and return whether another one has to follow."""
        route = self._route
        try:
            more = self._step()
            route.changed()
        except Exception as error:  # noqa: BLE001 - a thread that ended here would hold the producer for ever
            text = str(error) if route.file is None else route.file.redact(str(error))
            log.warning("cutover shim: route %s: retrying after %s: %s", route.name, type(error).__name__, text)
            with route.cond:
                if route.driver != native.get_ident():  # the route is where it has to be, or another thread moves it
                    return False
                route.cond.wait(RETRY_S)
            return True
        return more

    def drop(self) -> None:
        """Release the next client. The caller holds the route's `cond`; a thread that still runs closes it itself."""
        if self._route.driver is None:
            self._next = None

    def _step(self) -> bool:
        route = self._route
        with route.cond:
            goal, file = route.desired, route.file
            if route.closing or file is None or route.is_at(goal):
                # The thread's end and `driver` change together under the lock: the next change starts a new thread.
                unused, self._next, route.driver = self._next, None, None
                if file is not None and not route.closing:
                    route.applied, route.error = file.generation, None
                    route.state = "held" if goal == "hold" else goal
                route.cond.notify_all()
                if unused is not None:
                    unused[1].close()
                return False
        try:
            if goal == "hold":
                self._drain(goal)
            elif self._prepared(goal, file) and (route.cluster is None or self._drain(goal)):
                self._release(goal)
        except Exception as error:  # noqa: BLE001 - whatever a cluster or the client answers: stay, report, retry
            self._failed(goal, file, error)
        return True

    def _failed(self, goal: Location, file: CutoverFile, error: Exception) -> None:
        route = self._route
        text = file.redact(str(error))
        if text != route.error:
            log.warning("cutover shim: route %s: cannot change to %s yet, retrying: %s", route.name, goal, text)
        route.error = text
        if not isinstance(error, prepare.NotFitError):
            # A client that met a fenced broker may have no broker left, and without rebootstrapping never gets one.
            self._close_next()
        route.changed()
        with route.cond:
            if route.desired == goal and not route.closing:
                route.cond.wait(RETRY_S)

    # -- preparing ---------------------------------------------------------------------------------------------------

    def _close_next(self) -> None:
        unused, self._next = self._next, None
        if unused is not None:
            unused[1].close()

    def _prepared(self, goal: ClusterName, file: CutoverFile) -> bool:
        """Connect to the next cluster and check that it has what this route needs.

        Returns False if the file has changed its mind. Raises NotFitError or KafkaException if the cluster is not fit.
        """
        route = self._route
        if self._next is not None and self._next[0] != file.clusters[goal]:
            self._close_next()
        if route.cluster is not None:
            route.state = "preparing"
        route.changed()
        if self._next is None:
            self._next = (file.clusters[goal], route.build(goal, file))
            self._next_initialised = False
        in_file = file.routes.get(route.name) if route.name is not None else None
        conf = config.for_cluster(route.conf, file.clusters[goal])
        routed = () if in_file is None else in_file.topics
        prepare.check(self._next[1], conf, goal, route.topics, routed, route.client)
        self._initialise(self._next[1])
        with route.cond:
            return route.desired == goal and not route.closing

    def _initialise(self, client: RawProducer) -> None:
        if self._route.initialised and not self._next_initialised:
            client.init_transactions(INIT_S)
            self._next_initialised = True

    # -- draining ----------------------------------------------------------------------------------------------------

    def _drain(self, goal: Location) -> bool:
        """Close the old client when everything it was given is delivered.

        Returns False if the file has changed its mind in the meantime, or the producer is closed.
        """
        route = self._route
        with route.cond:
            route.state, route.draining = "draining", True
            while route.in_transaction and route.desired == goal and not route.closing:
                route.cond.wait(CHUNK_S)
            if not route.in_transaction:
                route.begin_hold()
        route.changed()
        old = route.old
        with route.serving:
            while old is not None and len(old) and not self._turned_back(goal):
                old.flush(CHUNK_S)
            if self._turned_back(goal) or old is None:
                return self._resume_old()
            # A thread that read `handle` just before the hold began may still be on its way into the old client.
            # Closing waits for calls inside and delivers what they added; later ones get RuntimeError and are queued.
            old.close()
        with route.cond:
            route.old, route.cluster, route.state, route.draining = None, None, "held", False
            route.times.left(-1 if route.file is None else route.file.generation)
            route.cond.notify_all()
        return True

    def _turned_back(self, goal: Location) -> bool:
        # A new goal ends the drain only if it is the cluster that is being drained; for another one or `hold` the drain
        # is needed too.
        route = self._route
        with route.cond:
            return route.closing or (route.desired != goal and (route.desired == route.cluster or route.in_transaction))

    def _resume_old(self) -> bool:
        """Use the old client again, and give it what was queued in the meantime."""
        route = self._route
        if route.old is not None and not route.closing:
            self._fill(route.old, fresh=False)
        with route.cond:
            route.draining = False
            route.cond.notify_all()
        return False

    # -- releasing ---------------------------------------------------------------------------------------------------

    def _release(self, goal: ClusterName) -> None:
        """Produce the queue, in its order, with the next client; then let produce() use that client."""
        route = self._route
        assert self._next is not None  # noqa: S101 - _prepared has just built it
        with route.cond:
            route.cluster = goal
            route.set_limits(goal)
            route.acked.clear()
            route.times.reached(-1 if route.file is None else route.file.generation)
        self._fill(self._next[1], fresh=True)
        with route.cond:
            self._next, self._next_initialised, route.state = None, False, goal
            route.cond.notify_all()

    def _fill(self, client: RawProducer, *, fresh: bool) -> None:
        route = self._route
        while not route.closing:
            with route.cond:
                route.old = client
                # init_transactions() may have been called since this cluster was checked; it takes time, see below.
                if not (fresh and route.initialised and not self._next_initialised) and self._move(client):
                    route.handle, route.old = client, None
                    return
            if fresh:
                self._initialise(client)
            # No lock is held here: produce() keeps queueing while the client sends what it has.
            client.poll(CHUNK_S if route.held else 0)

    def _move(self, client: RawProducer) -> bool:
        """Produce held messages, oldest first. Returns True if none is left, False if the client's queue is full."""
        route = self._route
        if route.pending:
            client.begin_transaction()
            route.pending, route.in_transaction = False, True
        while route.held:
            message = route.held.pop()
            try:
                client.produce(
                    message.topic,
                    message.value,
                    message.key,
                    message.partition,
                    message.callback,
                    None,
                    message.timestamp,
                    message.headers,
                )
            except BufferError:
                route.held.put_back(message)
                return False
            except KafkaException as error:
                route.fail(message, error.args[0].code(), error.args[0].str())
        return True
