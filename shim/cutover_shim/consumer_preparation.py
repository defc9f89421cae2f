"""The check of the cluster that a consumer is to change to, on a thread of its own, while it still reads the other."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from cutover_shim import config, native, prepare
from cutover_shim.cutover_file import Cluster, ClusterName, CutoverFile

if TYPE_CHECKING:
    from cutover_shim.consumer_route import ConsumerRoute

log = logging.getLogger("cutover_shim")

RETRY_S = 0.5


class ConsumerPreparation:
    """Connects a client to the next cluster and checks the cluster, until it is fit or no longer wanted.

    The route's `cond` guards it.
    """

    def __init__(self, route: ConsumerRoute) -> None:
        self._route = route
        self._next: tuple[Cluster, Any] | None = None
        self._running = False

    def is_ready(self) -> bool:
        """Return whether there is a client for the cluster that the file wants, as the file describes it now."""
        route = self._route
        if route.desired == "hold" or self._next is None or route.file is None:
            return False
        return self._next[0] == route.file.clusters[route.desired]

    def start(self) -> None:
        """Start the thread, if it does not run. The caller holds the route's `cond`."""
        if not self._running:
            self._running = True
            native.start_thread(self._run, f"cutover-group-{self._route.group}")

    def take(self) -> tuple[Cluster, Any]:
        """Return the next cluster and its client, once. The caller holds the route's `cond` and `is_ready` is true."""
        found, self._next = self._next, None
        assert found is not None  # noqa: S101 - is_ready
        return found

    def take_unwanted(self) -> Any:
        """Return a client that is no longer of use, for the caller to close; or None. The caller holds `cond`."""
        if self._next is None or (self.is_ready() and not self._route.closing):
            return None
        return self.take()[1]

    def _run(self) -> None:
        route = self._route
        with route.clients.own_thread():
            while True:
                with route.cond:
                    goal, file = route.desired, route.file
                    if goal == "hold" or goal == route.cluster or self.is_ready() or route.closing:  # noqa: PLR1714 - narrows
                        self._running = False
                        unwanted = self.take_unwanted()
                        break
                    if route.cluster is not None:
                        route.state = "preparing"
                if file is not None:
                    self._try(goal, file)
            if unwanted is not None:
                unwanted.close()
        route.changed()
        with route.cond:
            route.cond.notify_all()

    def _try(self, goal: ClusterName, file: CutoverFile) -> None:
        route = self._route
        client = present = None
        try:
            client = route.clients.build(goal, file, switches=True)
            # Not the client in use: every call on a consumer waits for the application's running poll().
            present = route.clients.build_silent(route.cluster, file) if route.cluster is not None else None
            used = route.read_topics() + [p.topic for p in route.manual or []]
            in_file = file.routes.get(route.name) if route.name is not None else None
            conf = config.for_cluster(route.conf, file.clusters[goal])
            prepare.check(client, conf, goal, used, () if in_file is None else in_file.topics, present)
            with route.cond:
                stale, self._next = self._next, (file.clusters[goal], client)
            if stale is not None:
                stale[1].close()
        except Exception as error:  # noqa: BLE001 - whatever a cluster or the client answers: stay, report, retry
            if client is not None:
                client.close()
            self._failed(goal, file, error)
        finally:
            if present is not None:
                present.close()

    def _failed(self, goal: ClusterName, file: CutoverFile, error: Exception) -> None:
        route = self._route
        text = file.redact(str(error))
        if text != route.error:
            log.warning("cutover shim: group %s: cannot change to %s yet, retrying: %s", route.group, goal, text)
        route.error = text
        route.changed()
        with route.cond:
            if route.desired == goal and not route.closing:
                route.cond.wait(RETRY_S)
