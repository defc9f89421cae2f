"""A producer's routes, by name and by topic."""

from __future__ import annotations

import logging
from collections.abc import Callable

from cutover_shim import codes, config, native, transactions
from cutover_shim.cutover_file import CutoverFile, CutoverFileError
from cutover_shim.deferred import DeferredCallbacks
from cutover_shim.producer_route import ProducerRoute

log = logging.getLogger("cutover_shim")


class TopicRoutes:
    """The routes that one producer has open (name None: topics in no route).

    `changed` is called after every change. `by_topic` has the topics that were produced to; `produce()` looks them up
    there.
    """

    def __init__(self, settings: config.Settings, deferred: DeferredCallbacks, changed: Callable[[], None]) -> None:
        self.by_name: dict[str | None, ProducerRoute] = {}
        self.by_topic: dict[str, ProducerRoute] = {}
        self.file: CutoverFile | None = None
        self._settings = settings
        self._deferred = deferred
        self._changed = changed
        self._lock = native.RLock()
        self._transactional = bool(settings.conf.get("transactional.id"))

    def all(self) -> list[ProducerRoute]:
        """Return the open routes."""
        return list(self.by_name.values())

    def _new(self, name: str | None) -> ProducerRoute:
        route = self.by_name[name] = ProducerRoute(name, self._settings.conf, self._deferred, self._changed)
        return route

    # -- opening -----------------------------------------------------------------------------------------------------

    def begin_plain(self) -> ProducerRoute:
        """Open the only route of a producer without a cutover file. Raises what the client's constructor raises."""
        route = self._new(None)
        route.use("source", route.build("source", None))
        return route

    def begin(self, file: CutoverFile) -> ProducerRoute:
        """Open the first route: the one that `cutover.route` names, or the file's only one, or the one without a name.

        Raises KafkaException (_INVALID_ARG) if the file has no such route, and what the client's constructor raises.
        """
        self.file = file
        self._transactional = self._in_transactions(file)
        name = self._settings.route or (next(iter(file.routes)) if len(file.routes) == 1 else None)
        if not file.routes:  # no document has arrived yet
            name = None
        if name is not None and name not in file.routes:
            raise codes.error(
                codes.INVALID_ARG, f"cutover.route: no route {name!r} in the cutover file: name one of it"
            )
        route = self._open(name)
        if route.client is None:
            # Held from the start: mistakes in the application's configuration must surface here all the same.
            route.build("source", file).close()
        return route

    def _in_transactions(self, file: CutoverFile) -> bool:
        has = {
            name: bool(config.for_cluster(self._settings.conf, cluster).get("transactional.id"))
            for name, cluster in file.clusters.items()
        }
        if len(set(has.values())) > 1:
            alone = next(name for name, transactional in has.items() if transactional)
            raise codes.error(
                codes.INVALID_ARG,
                f"transactional.id: set for the {alone} alone: set it in both clusters, or in the application",
            )
        return has["source"]

    def _open(self, name: str | None) -> ProducerRoute:
        with self._lock:
            route = self.by_name.get(name)
            if route is None:
                route = self._new(name)
                try:
                    if self.file is not None:
                        route.start(self.file)
                except BaseException:
                    del self.by_name[name]
                    raise
                self._changed()
            return route

    # -- the cutover file --------------------------------------------------------------------------------------------

    def follow(self, file: CutoverFile) -> None:
        """Take the newest version of the file, and start the changes that it asks for."""
        with self._lock:
            if self.file is not None and file.generation < self.file.generation:
                return
            self.file = file
            self._name_unrouted(file)
            routes = self.all()
        for route in routes:
            route.follow(file)

    def _name_unrouted(self, file: CutoverFile) -> None:
        """Give the route without a name its name, if the file now has one route for all its topics."""
        route = self.by_name.get(None)
        names = {self._route_of(t, file) for t in route.topics} if route is not None else set()
        if route is None or len(names) != 1 or names & {None, *self.by_name}:
            for name in names - {None}:
                log.warning(
                    "cutover shim: route %s: got topics of this producer later than others: they stay on the source",
                    name,
                )
            return
        route.name = names.pop()
        self.by_name = {route.name if n is None else n: one for n, one in self.by_name.items()}

    def _route_of(self, topic: str, file: CutoverFile | None) -> str | None:
        try:
            return file.route_of_topic(topic) if file is not None else None
        except CutoverFileError as error:
            log.warning("cutover shim: %s; until then it stays on the source", error)
            return None

    def unrouted(self) -> list[str]:
        """Return the topics in use that are in no route."""
        return [topic for topic, route in list(self.by_topic.items()) if route.name is None]

    # -- topics ------------------------------------------------------------------------------------------------------

    def resolve(self, topic: str) -> ProducerRoute:
        """Return the route of a topic that was not produced to before, and open it if this is its first topic.

        Raises KafkaException (_INVALID_ARG) if a transactional producer would span routes, and what
        `ProducerRoute.start` raises.
        """
        if self._transactional:
            route = self._resolve_in_transaction(topic, self.file)
            route.topics.add(topic)
            self.by_topic[topic] = route
            return route
        with self._lock:
            route = self._open(self._route_of(topic, self.file))
            route.topics.add(topic)
            self.by_topic[topic] = route
        return route

    def only(self) -> ProducerRoute:
        """Return the one route of a transactional producer."""
        return next(iter(self.by_name.values()))

    def bound(self) -> bool:
        """Return whether the route of a transactional producer is known."""
        route = self.only()
        return self.file is None or route.name is not None or bool(route.topics)

    def _resolve_in_transaction(self, topic: str, file: CutoverFile | None) -> ProducerRoute:
        # A transaction has one cluster, so that a transactional producer has one route.
        route = self.only()
        name = self._route_of(topic, file)
        if file is not None and name != route.name:
            if self.bound() or name is None:
                if name is not None or route.cluster != "source":
                    raise codes.error(
                        codes.INVALID_ARG,
                        f"{topic!r} is in the route {name}, this transactional producer in the route {route.name}: "
                        "a transaction cannot span routes",
                    )
            else:
                self.by_name = {name: route}
                transactions.bind(route, name, file)
        transactions.begin_pending(route)
        return route

    def clear(self) -> None:
        """Forget all routes and the producer: the references form cycles that only the garbage collector would find."""
        self._changed = _nothing
        self.by_name = {}
        self.by_topic.clear()


def _nothing() -> None:
    pass
