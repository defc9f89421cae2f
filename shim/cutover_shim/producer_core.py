"""The inside of a Producer: its routes, its deferred callbacks and its status."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from confluent_kafka.cimpl import Producer as RawProducer

from cutover_shim import codes, config, native, runtime, status, transactions, watch
from cutover_shim.client_log import ClientLog
from cutover_shim.clients import closed_handle, deadline_of, left_until
from cutover_shim.cutover_file import ClusterName, CutoverFile
from cutover_shim.deferred import DeferredCallbacks
from cutover_shim.producer_route import ProducerRoute
from cutover_shim.producer_switch import CHUNK_S
from cutover_shim.topic_routes import TopicRoutes
from cutover_shim.watched import Watched

log = logging.getLogger("cutover_shim")

_IDLE_S = 0.005  # how long to wait on one of several clients before the others have their turn


class ProducerCore:
    """One producer's routes and what they share. `single` is the client that poll(0) may call directly, or None."""

    def __init__(self, settings: config.Settings) -> None:
        self.settings = settings
        self.single: RawProducer | None = None
        self.closed = False
        self._ended: status.Ended | None = None
        self.buffered: Callable[[], Callable[[], int] | None] = lambda: None  # set by an AIOProducer around this one
        self._deferred = DeferredCallbacks()
        self.routes = TopicRoutes(settings, self._deferred, self.changed)
        self._running = self._deferred.running
        self._news = native.Event()
        self._single_lock = native.RLock()
        self._refusal = "Producer has been closed"
        self._watch: Watched | None = None
        self._reporter = status.Reporter()
        self._log = ClientLog("producer", settings.instance, settings.follows)

    @classmethod
    def never_opened(cls) -> ProducerCore:
        """Return the inside of a producer whose constructor did not run: it is closed."""
        core = cls(config.NONE)
        core.closed = True
        return core

    def start(self) -> None:
        """Open what the cutover file asks for, or the only client if there is none.

        Raises CutoverFileError if the file cannot be used, and what the client's constructor raises.
        """
        runtime.clients.add(self)
        if self.settings.follows is None:
            self.routes.begin_plain()
            self._refresh()
            return
        self._watch = watch.watcher.follow(self.settings)
        file = self._watch.first()
        route = self.routes.begin(file)
        self._reporter.open(self.settings, file)
        self._log.started(route.name, route.state, file.generation)
        watch.watcher.attach(self._watch, self)

    # -- what the watching thread calls ------------------------------------------------------------------------------

    def _shim_apply(self, file: CutoverFile) -> None:
        self.routes.follow(file)
        self.changed()
        self._warn_of_unrouted()

    def _shim_tick(self, now: float) -> None:
        for route in self.routes.all():
            route.tick(now)
        self._reporter.tick(now, self._document)

    def _shim_exit(self, timeout_s: float) -> None:
        """Write the last status: the process ends, and this producer was not closed."""
        self.closed, self._ended = True, "exited"
        self._reporter.finish(self._document, timeout_s)

    def _shim_forked(self) -> Any:
        routes, self.single = self.routes.by_name, None
        self.closed, self._refusal = True, runtime.FORKED
        self.routes.clear()
        self._deferred.clear()
        return routes, self._reporter.abandon()

    # -- status ------------------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Take note that a route has changed: choose the client for poll(0) again, log and report the change."""
        self._refresh()
        self._news.set()
        for name, route in list(self.routes.by_name.items()):
            if self.routes.file is not None and name is not None and route.settled:
                self._log.moved(name, route.state, route.applied)
        self._reporter.changed()

    def _refresh(self) -> None:
        with self._single_lock:  # reading the routes and writing `single` belong together: the last change wins
            routes = self.routes.all()
            self.single = routes[0].client if len(routes) == 1 and not self._deferred else None

    def _warn_of_unrouted(self) -> None:
        if self.routes.file is not None:
            self._log.unrouted("topic", self.routes.unrouted(), self.routes.file, "producers")

    def _document(self) -> dict[str, Any]:
        file = self.routes.file
        return status.document(
            self.settings,
            file,
            self._watch,
            role="producer",
            group=None,
            seen_generation=file.generation if file is not None else -1,
            rejected=self._watch.rejected if self._watch is not None else None,
            routes=self._reports(),
            unrouted=len(self.routes.unrouted()),
            ended=self._ended,
        )

    def _reports(self) -> dict[str, Any]:
        reports = {n: route.report() for n, route in list(self.routes.by_name.items()) if n is not None}
        count = self.buffered()
        if reports and count is not None:
            # The route of messages that an AIOProducer still has is not known: count them for a held one if possible.
            held = [n for n, report in reports.items() if report["state"] != "source"] or list(reports)
            reports[held[0]]["queued"] += count()
        return reports

    # -- routes ------------------------------------------------------------------------------------------------------

    def check_open(self) -> None:
        """Raise the client's RuntimeError if this producer is closed."""
        if self.closed:
            raise RuntimeError(self._refusal)

    def resolve(self, topic: Any) -> ProducerRoute:
        """Return the route of a topic that was not produced to before.

        Raises RuntimeError if the producer is closed, TypeError for a topic that is no string, and as
        `TopicRoutes.resolve`.
        """
        self.check_open()
        if not isinstance(topic, str):
            raise TypeError(f"argument 1 must be str, not {type(topic).__name__}")
        route = self.routes.resolve(topic)
        self._warn_of_unrouted()
        return route

    def only(self) -> ProducerRoute:
        """Return the one route of a transactional producer. Raises RuntimeError if it is closed."""
        self.check_open()
        return self.routes.only()

    def bound(self) -> bool:
        """Return whether the route of a transactional producer is known. Raises RuntimeError if it is closed."""
        self.check_open()
        return self.routes.bound()

    # -- serving callbacks -------------------------------------------------------------------------------------------

    def poll(self, timeout: float) -> int:
        """Serve the callbacks of all routes and return how many; `timeout` in seconds, negative for none.

        Raises RuntimeError if the producer is closed, and what a callback raises.
        """
        self.check_open()
        deadline = deadline_of(timeout)
        while True:
            self._news.clear()
            served = self._run_deferred()
            clients = [c for c in (route.client for route in self.routes.all()) if c is not None]
            left = left_until(deadline)
            for position, client in enumerate(clients):
                last = position == len(clients) - 1 and not served
                chunk = 0.0 if not last or left == 0 else min(left, CHUNK_S if len(clients) == 1 else _IDLE_S)
                try:
                    served += client.poll(chunk)
                except RuntimeError as error:
                    if not closed_handle(error):
                        raise
                    self.check_open()
            if served or left_until(deadline) == 0:
                return served
            if not clients:
                self._news.wait(min(left_until(deadline), CHUNK_S))
            self.check_open()

    def _run_deferred(self) -> int:
        count = self._deferred.run()
        if count or self.single is None:
            self._refresh()
        return count

    def flush(self, timeout: float) -> int:
        """Wait until every message has its report and return how many have none; held messages count.

        `timeout` in seconds, negative for none. Raises RuntimeError if the producer is closed, and what a callback
        raises.
        """
        self.check_open()
        deadline = deadline_of(timeout)
        while True:
            self._news.clear()
            served = self._run_deferred()
            idle = True
            for route in self.routes.all():
                with route.serving:
                    client = route.client
                    if client is not None and len(client):
                        idle = False
                        client.flush(min(left_until(deadline), CHUNK_S))
            if not len(self) or left_until(deadline) == 0:
                self._run_deferred()
                return len(self)
            if idle and not served:
                self._news.wait(min(left_until(deadline), CHUNK_S))
            self.check_open()

    def purge(self, *, in_queue: bool, in_flight: bool, blocking: bool) -> None:
        """Purge the messages of all routes. Raises RuntimeError if the producer is closed."""
        self.check_open()
        for route in self.routes.all():
            for client in route.clients():
                client.purge(in_queue=in_queue, in_flight=in_flight, blocking=blocking)
            if in_queue:
                route.purge()

    def __len__(self) -> int:
        return sum(map(len, self.routes.all())) + len(self._deferred)

    # -- asking the cluster ------------------------------------------------------------------------------------------

    def cluster(self, topic: str | None) -> ClusterName | None:
        """Return what `Producer.cutover_cluster` returns."""
        running = self._running
        try:
            active = running.active
        except AttributeError:  # no deferred callback has run on this thread
            active = running.active = False
        if active:
            found: ClusterName | None = running.cluster
            return found
        if topic is not None:
            route = self.routes.by_topic.get(topic)
            return (self.resolve(topic) if route is None else route).cluster
        clusters = {route.cluster for route in self.routes.all()}
        return clusters.pop() if len(clusters) == 1 else None

    def ask(self, timeout: float, question: Callable[[Any], Any]) -> Any:
        """Return the answer of any route's client to a question; wait for a client while all routes are held.

        `timeout` in seconds, negative for none. Raises KafkaException (_TIMED_OUT) if there is no client in time,
        RuntimeError if the producer is closed, and what the question raises.
        """
        deadline = deadline_of(timeout)
        while True:
            if self.closed:
                raise RuntimeError("Handle has been closed" if self._refusal != runtime.FORKED else self._refusal)
            client = next((c for route in self.routes.all() for c in route.clients()), None)
            try:
                if client is not None:
                    return question(client)
            except RuntimeError as error:
                if "closed" not in str(error):
                    raise
            if left_until(deadline) == 0:
                raise codes.error(codes.TIMED_OUT, "the route is held: no cluster to ask")
            native.sleep(min(left_until(deadline), CHUNK_S))

    def set_credentials(self, username: str, password: str) -> None:
        """Give new credentials to the clients in use. Raises RuntimeError if the producer is closed."""
        if self.closed:
            raise RuntimeError("Handle has been closed")
        for route in self.routes.all():
            for client in route.clients():
                client.set_sasl_credentials(username, password)

    # -- the end -----------------------------------------------------------------------------------------------------

    def drop(self) -> None:
        """Release every client without delivering what is outstanding: the application has dropped its producer."""
        if self.closed:
            return
        self.closed, self._ended = True, "closed"
        waiting = sum(len(route.held) for route in self.routes.all())
        if waiting:
            log.warning(
                "cutover shim: a producer was dropped without flush() or close(): %d messages that waited for their "
                "route are lost",
                waiting,
            )
        self._reporter.finish_on_a_thread(self._document)
        for route in self.routes.all():
            route.drop()
        self.routes.clear()
        self.single = None
        self._deferred.clear()
        if self._watch is not None:
            watch.watcher.detach(self._watch, self)

    def close(self) -> bool:
        """Wait until every message has its report, close every client and return True; calling it again does nothing.

        Raises what a callback raises; the producer is open then.
        """
        if self.closed:
            return True
        for route in self.routes.all():
            transactions.abandon(route)
        self.flush(-1)
        self.closed, self._ended = True, "closed"
        for route in self.routes.all():
            route.close()
        self._run_deferred()
        self.single = None
        if self._watch is not None:
            watch.watcher.detach(self._watch, self)
        self._reporter.finish(self._document)
        return True
