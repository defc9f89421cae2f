"""What stands behind a Producer: its lanes, the mail of callbacks that wait for it, and its status."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka.cimpl import Producer as RawProducer

from cutover_shim import codes, config, native, runtime, status, transactions, watch
from cutover_shim.clients import build_client, closed_handle, deadline_of, left_until
from cutover_shim.cutover_file import CutoverFile, CutoverFileError
from cutover_shim.lane import CHUNK_S, Lane, Letter
from cutover_shim.words import Words

log = logging.getLogger("cutover_shim")

_CALLBACKS = ("error_cb", "stats_cb", "throttle_cb")
_IDLE_S = 0.005  # with several handles to serve, how long to wait on one before the others have their turn


class ProducerCore:
    """One producer's lanes by route (None: of no route), and what they share."""

    def __init__(self, chosen: config.Settings) -> None:
        self.chosen = chosen
        self.lanes: dict[str | None, Lane] = {}
        self.by_topic: dict[str, Lane] = {}
        self.single: RawProducer | None = None
        self.mail: deque[Letter] = deque()
        self.news = native.Event()
        self._lock = native.RLock()
        self._single_lock = native.RLock()
        self._local = threading.local()
        self.closed = False
        self._refusal = "Producer has been closed"
        self.file: CutoverFile | None = None
        self.watch: watch.Watch | None = None
        self.status: status.StatusFile | status.StatusTopic | None = None
        self._dirty, self._written = True, 0.0
        self.buffered: Callable[[], Callable[[], int] | None] = lambda: None  # by an AIOProducer around this one
        self._words = Words("producer", chosen.instance, chosen.file)
        self._transactional = bool(chosen.conf.get("transactional.id"))

    @classmethod
    def never_opened(cls) -> ProducerCore:
        """Return what stands behind a producer whose constructor did not run: it is closed."""
        core = cls(config.settings(({},), {}))
        core.closed = True
        return core

    def start(self) -> None:
        """Open what the cutover file says, or the only client if there is none. Raises as the constructor does."""
        chosen = self.chosen
        runtime.clients.add(self)
        if chosen.file is None:
            lane = self._new_lane(None)
            lane.adopt("source", self.build("source", None, lane))
            self.refresh()
            return
        self.watch = watch.watcher.follow(chosen.file)
        self.file = self.watch.first()
        self._transactional = self._in_transactions(self.file)
        if chosen.status:
            self.status = status.writer(
                chosen.status, chosen.instance, partial(config.of_source, chosen.conf, self.file)
            )
        self.begin(self.file)
        lane = next(iter(self.lanes.values()))
        self._words.began(lane.route, lane.state, self.file.generation)
        watch.watcher.attach(self.watch, self)

    def _in_transactions(self, file: CutoverFile) -> bool:
        sides = {
            name: bool(config.for_cluster(self.chosen.conf, where).get("transactional.id"))
            for name, where in file.clusters.items()
        }
        if len(set(sides.values())) > 1:
            having = next(name for name, has in sides.items() if has)
            raise codes.error(
                codes.INVALID_ARG,
                f"transactional.id is set for the {having} alone: set it in both clusters, or in the application",
            )
        return sides["source"]

    # -- building ----------------------------------------------------------------------------------------------------

    def begin(self, file: CutoverFile) -> None:
        """Open the first lane: of the only route there is, or of the one that is named; else wait for a topic."""
        route = self.chosen.route or (next(iter(file.routes)) if len(file.routes) == 1 else None)
        if route is not None and route not in file.routes:
            raise codes.error(codes.INVALID_ARG, f"cutover.route: the cutover file has no route {route!r}")
        lane = self.open(route)
        if lane.steady is None:
            # Held from the start: the application's mistakes in its configuration are to surface here all the same.
            self.build("source", file, lane).close()

    def _new_lane(self, route: str | None) -> Lane:
        conf = self.chosen.conf
        lane = Lane(
            route,
            conf,
            self.build,
            self.mail,
            self.changed,
            default=conf.get("on_delivery") or conf.get("dr_cb"),
        )
        self.lanes[route] = lane
        return lane

    def open(self, route: str | None) -> Lane:
        """Return a route's lane, and open it if this is its first topic."""
        with self._lock:
            lane = self.lanes.get(route)
            if lane is None:
                lane = self._new_lane(route)
                try:
                    if self.file is not None:
                        lane.start(self.file)
                except BaseException:
                    del self.lanes[route]
                    raise
                self.changed()
            return lane

    def build(self, cluster: str, file: CutoverFile | None, lane: Lane) -> Any:
        """Construct a client of one cluster for a lane, with callbacks that keep off the lane's own thread."""
        conf, where = self.chosen.conf, None
        if file is not None:
            where = file.clusters[cluster]
            conf = config.for_cluster(conf, where)
        conf = dict(conf)
        for name in _CALLBACKS:
            if callable(conf.get(name)):
                conf[name] = lane.defer(conf[name])
        if hasattr(conf.get("logger"), "log"):
            conf["logger"] = lane.quiet(conf["logger"])
        for name in ("on_delivery", "dr_cb"):
            if callable(conf.get(name)):
                conf[name] = lane.wrap(conf[name])
        return build_client(RawProducer, conf, where)

    # -- what the watcher calls --------------------------------------------------------------------------------------

    def _shim_apply(self, file: CutoverFile) -> None:
        with self._lock:
            if self.file is not None and file.generation < self.file.generation:
                return
            self.file = file
            self._rename(file)
            lanes = list(self.lanes.values())
        for lane in lanes:
            lane.want(file)
        self.changed()
        self._warn(file)

    def _warn(self, file: CutoverFile) -> None:
        loose = [topic for topic, lane in list(self.by_topic.items()) if lane.route is None]
        self._words.left_behind("topic", loose, file, "producers")

    def _rename(self, file: CutoverFile) -> None:
        """Give the lane of no route its route, when a new version of the file has one for all its topics."""
        lane = self.lanes.get(None)
        routes = {self._route_of(t, file) for t in lane.topics} if lane is not None else set()
        if lane is None or len(routes) != 1 or routes & {None, *self.lanes}:
            for route in routes - {None}:
                log.warning("cutover shim: topics came into the route %s later than others: they stay on source", route)
            return
        lane.route = routes.pop()
        self.lanes = {lane.route if r is None else r: one for r, one in self.lanes.items()}

    def _route_of(self, topic: str, file: CutoverFile | None) -> str | None:
        try:
            return file.route_of_topic(topic) if file is not None else None
        except CutoverFileError as error:
            log.warning("cutover shim: %s; until then it stays on source", error)
            return None

    def _shim_tick(self, now: float) -> None:
        for lane in list(self.lanes.values()):
            lane.expire(now)
        if self.status is not None and (self._dirty or now - self._written >= watch.STATUS_EVERY_S):
            self._dirty, self._written = False, now
            self.status.write(self._document())

    def _document(self) -> dict[str, Any]:
        watched = self.watch
        return status.document(
            instance=self.chosen.instance,
            role="producer",
            group=None,
            seen_generation=self.file.generation if self.file is not None else -1,
            rejected=watched.rejected if watched is not None else None,
            routes=self._routes(),
            unrouted=sum(1 for lane in list(self.by_topic.values()) if lane.route is None),
            closed=self.closed,
        )

    def _routes(self) -> dict[str, Any]:
        routes = {r: lane.report() for r, lane in list(self.lanes.items()) if r is not None}
        count = self.buffered()
        if routes and count is not None:
            # Of which route they are is not known before they are handed over: of one that is held, if there is one.
            held = [r for r, report in routes.items() if report["state"] != "source"] or list(routes)
            routes[held[0]]["queued"] += count()
        return routes

    def changed(self) -> None:
        """A lane has changed: which handle may be polled without further ado is decided anew, and the status told."""
        self.refresh()
        self._dirty = True
        self.news.set()
        for route, lane in list(self.lanes.items()):
            if self.file is not None and route is not None and lane.settled:
                self._words.at(route, lane.state, lane.applied)
        if self.status is not None:
            watch.watcher.wake()

    def refresh(self) -> None:
        """Decide which client poll(0) may go to directly."""
        with self._single_lock:  # reading the lanes and writing the answer is one act: the last change wins
            lanes = list(self.lanes.values())
            self.single = lanes[0].steady if len(lanes) == 1 and not self.mail else None

    def _shim_forked(self) -> Any:
        lanes, self.lanes, self.single = self.lanes, {}, None
        self.closed, self._refusal = True, runtime.FORKED
        self.by_topic.clear()
        self.mail.clear()
        kept, self.status = self.status, None
        return lanes, kept

    # -- lanes of topics ---------------------------------------------------------------------------------------------

    def resolve(self, topic: Any) -> Lane:
        """Find the lane of a topic that was not produced to before."""
        self.check_open()
        if not isinstance(topic, str):
            raise TypeError(f"argument 1 must be str, not {type(topic).__name__}")
        if self._transactional:
            lane = self._lane_of_transaction(topic, self.file)
            lane.topics.add(topic)
            self.by_topic[topic] = lane
            return lane
        with self._lock:
            file = self.file
            lane = self.open(self._route_of(topic, file))
            lane.topics.add(topic)
            self.by_topic[topic] = lane
        if file is not None:
            self._warn(file)
        return lane

    def only(self) -> Lane:
        """Return the one lane of a transactional producer."""
        self.check_open()
        return next(iter(self.lanes.values()))

    def bound(self) -> bool:
        """Whether a transactional producer's route is known."""
        lane, file = self.only(), self.file
        return file is None or lane.route is not None or bool(lane.topics)

    def _lane_of_transaction(self, topic: str, file: CutoverFile | None) -> Lane:
        """Find the lane of a topic for a transactional producer, which has one: a transaction has one cluster."""
        lane = self.only()
        route = self._route_of(topic, file)
        if file is not None and route != lane.route:
            if self.bound() or route is None:
                if route is not None or lane.cluster != "source":
                    raise codes.error(
                        codes.INVALID_ARG,
                        f"{topic!r} is in the route {route}, this transactional producer in the route {lane.route}: "
                        "a transaction cannot span routes",
                    )
            else:
                self.lanes = {route: lane}
                transactions.bind(lane, route, file)
        transactions.begin_pending(lane)
        return lane

    def check_open(self) -> None:
        """Raise the client's RuntimeError if this producer is closed."""
        if self.closed:
            raise RuntimeError(self._refusal)

    # -- serving callbacks -------------------------------------------------------------------------------------------

    def poll(self, timeout: float) -> int:
        """Serve callbacks of all lanes."""
        self.check_open()
        deadline = deadline_of(timeout)
        while True:
            self.news.clear()
            served = self.serve_mail()
            handles = [h for h in (lane.steady for lane in self.all()) if h is not None]
            left = left_until(deadline)
            for position, handle in enumerate(handles):
                last = position == len(handles) - 1 and not served
                chunk = 0.0 if not last or left == 0 else min(left, CHUNK_S if len(handles) == 1 else _IDLE_S)
                try:
                    served += handle.poll(chunk)
                except RuntimeError as error:
                    if not closed_handle(error):
                        raise
                    self.check_open()
            if served or left_until(deadline) == 0:
                return served
            if not handles:
                self.news.wait(min(left_until(deadline), CHUNK_S))
            self.check_open()

    def all(self) -> list[Lane]:
        """List the lanes."""
        return list(self.lanes.values())

    def serve_mail(self) -> int:
        """Run the callbacks that fell due on threads of ours; returns how many."""
        served = 0
        local = self._local
        while self.mail:
            try:
                letter = self.mail.popleft()
            except IndexError:
                break
            served += 1
            local.cluster = letter.cluster
            local.reading = True
            try:
                letter.call(*letter.args)
            finally:
                local.reading = False
        if served or self.single is None:
            self.refresh()
        return served

    def flush(self, timeout: float) -> int:
        """Wait until everything is delivered and return what is left, as the client does; held messages count."""
        self.check_open()
        deadline = deadline_of(timeout)
        while True:
            self.news.clear()
            served = self.serve_mail()
            idle = True
            for lane in self.all():
                with lane.serving:
                    handle = lane.steady
                    if handle is not None and len(handle):
                        idle = False
                        handle.flush(min(left_until(deadline), CHUNK_S))
            if not len(self) or left_until(deadline) == 0:
                self.serve_mail()
                return len(self)
            if idle and not served:
                self.news.wait(min(left_until(deadline), CHUNK_S))
            self.check_open()

    def purge(self, *, in_queue: bool, in_flight: bool, blocking: bool) -> None:
        """Purge all lanes."""
        self.check_open()
        for lane in self.all():
            for handle in lane.handles():
                handle.purge(in_queue=in_queue, in_flight=in_flight, blocking=blocking)
            if in_queue:
                lane.purge()

    def __len__(self) -> int:
        return sum(map(len, self.all())) + len(self.mail)

    # -- asking the cluster ------------------------------------------------------------------------------------------

    def cluster(self, topic: str | None) -> str | None:
        """Answer cutover_cluster()."""
        local = self._local
        try:
            reading = local.reading
        except AttributeError:  # no callback of ours has run on this thread
            reading = local.reading = False
        if reading:
            found: str | None = local.cluster
            return found
        if topic is not None:
            lane = self.by_topic.get(topic)
            return (self.resolve(topic) if lane is None else lane).cluster
        clusters = {lane.cluster for lane in self.all()}
        return clusters.pop() if len(clusters) == 1 else None

    def ask(self, timeout: float, question: Callable[[Any], Any]) -> Any:
        """Ask any lane's client; without one, wait as one waits for a cluster that does not answer."""
        deadline = deadline_of(timeout)
        while True:
            if self.closed:
                raise RuntimeError("Handle has been closed" if self._refusal != runtime.FORKED else self._refusal)
            handle = next((h for lane in self.all() for h in lane.handles()), None)
            try:
                if handle is not None:
                    return question(handle)
            except RuntimeError as error:
                if "closed" not in str(error):
                    raise
            if left_until(deadline) == 0:
                raise codes.error(codes.TIMED_OUT, "the route is held: no cluster to ask")
            native.sleep(min(left_until(deadline), CHUNK_S))

    def set_credentials(self, username: str, password: str) -> None:
        """Give new credentials to the clients in use."""
        if self.closed:
            raise RuntimeError("Handle has been closed")
        for lane in self.all():
            for handle in lane.handles():
                handle.set_sasl_credentials(username, password)

    def _shim_exit(self, timeout_s: float) -> None:
        """Write the last status: the process ends, and this producer was not closed."""
        self.closed = True
        if self.status is not None:
            self.status.finish(self._document(), timeout_s)

    def drop(self) -> None:
        """Let go of every client without delivering what is outstanding: the application has dropped its producer."""
        self.closed = True
        waiting = sum(len(lane.queue) for lane in self.all())
        if waiting:
            log.warning(
                "cutover shim: a producer was dropped without flush() or close(): %d messages that waited for their "
                "route are lost",
                waiting,
            )
        last = self._document() if self.status is not None else None
        for lane in self.all():
            lane.drop()
        # Each holds the others by its callbacks: without this they would stay until the garbage collector comes by.
        self.lanes, self.single = {}, None
        self.by_topic.clear()
        self.mail.clear()
        kept, self.status = self.status, None
        if self.watch is not None:
            watch.watcher.detach(self.watch, self)
        if kept is not None and last is not None:
            native.start_thread(partial(kept.finish, last), "cutover-last-status")  # a topic's may take two seconds

    def close(self) -> bool:
        """Deliver what is outstanding and close every client."""
        if self.closed:
            return True
        for lane in self.all():
            transactions.give_up(lane)
        self.flush(-1)
        self.closed = True
        for lane in self.all():
            lane.close()
        self.serve_mail()
        self.single = None
        if self.watch is not None:
            watch.watcher.detach(self.watch, self)
        if self.status is not None:
            self.status.finish(self._document())
        return True
