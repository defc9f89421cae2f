"""The drop-in for confluent_kafka.admin.AdminClient, which asks the cluster of its route's producers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from confluent_kafka import admin
from confluent_kafka.cimpl import _AdminClientImpl

from cutover_shim import codes, config, native, watch
from cutover_shim.clients import build_client
from cutover_shim.cutover_file import Cluster, ClusterName, CutoverFile

RawAdminClient = admin.AdminClient


class AdminClient(RawAdminClient):
    """AdminClient with confluent_kafka's interface, for the cluster that a route's producers use.

    The route is the property `cutover.route`, or the cutover file's only one; without either the source is asked. While
    the producers are held, it asks the cluster that it asked before. Without a cutover file it is confluent_kafka's
    AdminClient on the application's own address.
    Raises CutoverFileError if the file cannot be used at the start, KafkaException (_INVALID_ARG) if it has no such
    route, and what the client raises.
    """

    def __init__(self, conf: dict[str, Any], **kwargs: Any) -> None:
        # The base is never initialised: every method goes to a real client instead.
        self._shim_conf = config.settings((conf,), kwargs)
        self._shim_lock = native.RLock()
        self._shim_file: CutoverFile | None = None
        self._shim_at: tuple[Cluster | None, Any] | None = None
        # Also of the cluster that was left: a client that is dropped fails the requests that it has not answered.
        self._shim_clients: dict[ClusterName | None, tuple[Cluster | None, Any]] = {}
        if self._shim_conf.follows is not None:
            watched = watch.watcher.follow(self._shim_conf)
            self._shim_apply(watched.first())
            routes = watched.first().routes
            if self._shim_conf.route is not None and routes and self._shim_conf.route not in routes:
                raise codes.error(
                    codes.INVALID_ARG,
                    f"cutover.route: no route {self._shim_conf.route!r} in the cutover file: name one of it",
                )
            watch.watcher.attach(watched, self)
        self._shim_client()

    def _shim_apply(self, file: CutoverFile) -> None:
        self._shim_file = file

    def _shim_tick(self, now: float) -> None:
        """An AdminClient has no state to report."""

    def _shim_exit(self, timeout_s: float) -> None:
        """An AdminClient has no last state."""

    def _shim_client(self) -> Any:
        with self._shim_lock:
            file, conf = self._shim_file, self._shim_conf.conf
            cluster = None if file is None else self._shim_cluster(file)
            name = None if cluster is None else cluster.name
            found = self._shim_clients.get(name)
            if found is None or found[0] != cluster:
                if cluster is not None:
                    conf = config.for_cluster(conf, cluster)
                found = self._shim_clients[name] = (cluster, build_client(RawAdminClient, dict(conf), cluster))
            self._shim_at = found
            return found[1]

    def _shim_cluster(self, file: CutoverFile) -> Cluster:
        route = self._shim_conf.route or (next(iter(file.routes)) if len(file.routes) == 1 else None)
        location = file.routes[route].producers if route is not None and route in file.routes else "source"
        if location == "hold":
            location = "target" if self._shim_at is not None and self.cutover_cluster() == "target" else "source"
        return file.clusters[location]

    def cutover_cluster(self, topic: str | None = None) -> ClusterName | None:  # noqa: ARG002 - as Producer's
        """Return the cluster that the last request was sent to: "source" or "target"."""
        at = self._shim_at
        return "source" if at is None or at[0] is None else at[0].name


def _forward(name: str, method: Any) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: AdminClient, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._shim_client(), name)(*args, **kwargs)

    return call


def _enter(self: AdminClient) -> AdminClient:
    return self


_OWN = {"__new__", "__init__", "__doc__", "__enter__"}
for _base in (_AdminClientImpl, RawAdminClient):
    for _name, _method in vars(_base).items():
        public = not _name.startswith("_") or _name in {"__len__", "__exit__"}
        if public and callable(_method) and _name not in _OWN:
            setattr(AdminClient, _name, _forward(_name, _method))
AdminClient.__enter__ = _enter  # type: ignore[assignment]


def __getattr__(name: str) -> Any:
    # Everything else of confluent_kafka.admin, so that `from cutover_shim import admin` can replace its import.
    return getattr(admin, name)
