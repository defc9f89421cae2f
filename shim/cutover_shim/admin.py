"""The drop-in for confluent_kafka.admin.AdminClient: it asks the cluster where its route's producers are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from confluent_kafka import admin
from confluent_kafka.cimpl import _AdminClientImpl

from cutover_shim import codes, config, native, watch
from cutover_shim.clients import build_client
from cutover_shim.cutover_file import Cluster, CutoverFile

RawAdminClient = admin.AdminClient


class AdminClient(RawAdminClient):
    """AdminClient with the interface of confluent_kafka's, for the cluster in use by a route.

    The route is the property `cutover.route`, or the only one of the cutover file; otherwise it stays on the source. It
    goes where that route's producers are; while those are held it stays where it was. A request is answered by the
    cluster that it was sent to. Without a cutover file it is confluent_kafka's AdminClient on the application's own
    address.
    """

    def __init__(self, conf: dict[str, Any], **kwargs: Any) -> None:
        # The base is never initialised: every method goes to a real client instead.
        self._shim_conf = config.settings((conf,), kwargs)
        self._shim_lock = native.RLock()
        self._shim_file: CutoverFile | None = None
        self._shim_at: tuple[Cluster | None, Any] | None = None
        if self._shim_conf.file is not None:
            watched = watch.watcher.follow(self._shim_conf.file)
            self._shim_apply(watched.first())
            if self._shim_conf.route is not None and self._shim_conf.route not in watched.first().routes:
                raise codes.error(codes.INVALID_ARG, f"cutover.route: no route {self._shim_conf.route!r} in the file")
            watch.watcher.attach(watched, self)
        self._shim_client()

    def _shim_apply(self, file: CutoverFile) -> None:
        self._shim_file = file

    def _shim_tick(self, now: float) -> None:
        """An AdminClient has no state to report."""

    def _shim_exit(self, timeout_s: float) -> None:
        """Nor has it a last one."""

    def _shim_client(self) -> Any:
        with self._shim_lock:
            file, conf = self._shim_file, self._shim_conf.conf
            where = None if file is None else self._shim_where(file)
            if self._shim_at is None or self._shim_at[0] != where:
                if where is not None:
                    conf = config.for_cluster(conf, where)
                self._shim_at = (where, build_client(RawAdminClient, dict(conf), where))
            return self._shim_at[1]

    def _shim_where(self, file: CutoverFile) -> Cluster:
        route = self._shim_conf.route or (next(iter(file.routes)) if len(file.routes) == 1 else None)
        place = file.routes[route].producers if route is not None and route in file.routes else "source"
        if place == "hold":
            place = "target" if self._shim_at is not None and self.cutover_cluster() == "target" else "source"
        return file.clusters[place]

    def cutover_cluster(self, topic: str | None = None) -> str | None:  # noqa: ARG002 - the same call as a producer's
        """Tell which cluster the last request went to: "source" or "target"."""
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
