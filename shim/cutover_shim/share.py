"""Share consumers, which cannot be switched: the state of a share group lives in its broker and has no translation.

They work as confluent_kafka's, on the source cluster; their status says that they stay, so that nobody waits for them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from confluent_kafka import cimpl

from cutover_shim import config, status, watch
from cutover_shim.clients import build_client
from cutover_shim.cutover_file import CutoverFile
from cutover_shim.serializing import raw_class

WHY = "a share group's state cannot be moved: this consumer stays on the source"


class _Stays:
    """Constructs the client on the source cluster and reports that it stays there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        chosen = config.settings(args, kwargs)
        conf = chosen.conf
        self._shim_group = config.group_of(conf, None)
        self._shim_file: CutoverFile
        self._shim_chosen = chosen
        self._shim_status: status.StatusFile | status.StatusTopic | None = None
        self._shim_written = 0.0
        if chosen.file is None:
            super().__init__(conf)  # type: ignore[call-arg]
            return
        watched = watch.watcher.follow(chosen.file)
        self._shim_watch = watched
        source = watched.first().clusters["source"]
        self._shim_group = config.group_of(conf, watched.first())
        build_client(super().__init__, config.for_cluster(conf, source), source)
        if chosen.status:
            self._shim_status = status.writer(
                chosen.status, chosen.instance, partial(config.of_source, conf, watched.first())
            )
        watch.watcher.attach(watched, self)

    def _shim_apply(self, file: CutoverFile) -> None:
        self._shim_file = file

    def _shim_tick(self, now: float) -> None:
        if self._shim_status is not None and now - self._shim_written >= watch.STATUS_EVERY_S:
            self._shim_written = now
            self._shim_status.write(self._shim_document(closed=False))

    def _shim_exit(self, timeout_s: float) -> None:
        if self._shim_status is not None:
            self._shim_status.finish(self._shim_document(closed=True), timeout_s)

    def _shim_document(self, *, closed: bool) -> dict[str, Any]:
        file = self._shim_file
        route = file.route_of_group(self._shim_group) if self._shim_group else None
        entry: dict[str, Any] = {
            "generation": file.generation,
            "desired": file.routes[route].consumers if route is not None else "source",
            "state": "failed",
            "cluster": "source",
            "in_flight": 0,
            "queued": 0,
            "acked": {},
            "committed": {},
            "assigned": {},
            "error": WHY,
        }
        return status.document(
            instance=self._shim_chosen.instance,
            role="consumer",
            group=self._shim_group,
            seen_generation=file.generation,
            rejected=self._shim_watch.rejected,
            routes={} if route is None else {route: entry},
            unrouted=int(route is None),
            closed=closed,
        )

    def close(self) -> None:
        """Close, as the client does."""
        super().close()  # type: ignore[misc]
        if self._shim_status is not None:
            watch.watcher.detach(self._shim_watch, self)
            self._shim_status.finish(self._shim_document(closed=True))
            self._shim_status = None

    def __exit__(self, *_: object) -> None:
        self.close()

    def cutover_cluster(self, topic: str | None = None) -> str | None:  # noqa: ARG002 - the same call as a producer's
        """Tell which cluster is read: always the source."""
        return "source"


def _variant(name: str, *bases: Any) -> Any:
    doc = f"{name} of confluent_kafka; it stays on the source cluster, and its status says so."
    return None if None in bases else type(name, bases, {"__doc__": doc, "__module__": __name__})


ShareConsumer = _variant("ShareConsumer", _Stays, getattr(cimpl, "ShareConsumer", None))  # since 2.15
DeserializingShareConsumer = _variant(
    "DeserializingShareConsumer", raw_class("DeserializingShareConsumer"), ShareConsumer
)
