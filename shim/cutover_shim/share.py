"""Share consumers, whose cluster cannot change: the state of a share group is in its broker and cannot be translated.

They work as confluent_kafka's, on the source cluster, and report `failed`, so that no gate waits for them.
"""

from __future__ import annotations

from typing import Any

from confluent_kafka import cimpl

from cutover_shim import config, status, watch
from cutover_shim.clients import build_client
from cutover_shim.cutover_file import ClusterName, CutoverFile
from cutover_shim.serializing import raw_class
from cutover_shim.switch_times import SwitchTimes
from cutover_shim.watched import Watched

WHY = "a share group's state cannot be moved: this consumer stays on the source"


class _Stays:
    """Constructs the client on the source cluster and reports that it stays there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        chosen = config.settings(args, kwargs)
        conf = chosen.conf
        self._shim_group = config.group_of(conf, None)
        self._shim_file: CutoverFile
        self._shim_chosen = chosen
        self._shim_ended: status.Ended | None = None
        self._shim_watch: Watched | None = None
        self._shim_reporter = status.Reporter()
        if chosen.follows is None:
            super().__init__(conf)  # type: ignore[call-arg]
            return
        watched = watch.watcher.follow(chosen)
        self._shim_watch = watched
        source = watched.first().clusters["source"]
        self._shim_group = config.group_of(conf, watched.first())
        build_client(super().__init__, config.for_cluster(conf, source), source)
        self._shim_reporter.open(chosen, watched.first())
        watch.watcher.attach(watched, self)

    def _shim_apply(self, file: CutoverFile) -> None:
        self._shim_file = file

    def _shim_tick(self, now: float) -> None:
        self._shim_reporter.tick(now, self._shim_document)

    def _shim_exit(self, timeout_s: float) -> None:
        self._shim_ended = "exited"
        self._shim_reporter.finish(self._shim_document, timeout_s)

    def _shim_document(self) -> dict[str, Any]:
        file, watched = self._shim_file, self._shim_watch
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
            **SwitchTimes().report("delivered"),
        }
        return status.document(
            self._shim_chosen,
            file,
            watched,
            role="consumer",
            group=self._shim_group,
            seen_generation=file.generation,
            rejected=watched.rejected if watched is not None else None,
            routes={} if route is None else {route: entry},
            unrouted=int(route is None),
            ended=self._shim_ended,
        )

    def close(self) -> None:
        """Acknowledge what is due and close; calling it again does nothing."""
        super().close()  # type: ignore[misc]
        if self._shim_watch is not None and self._shim_ended is None:
            self._shim_ended = "closed"
            watch.watcher.detach(self._shim_watch, self)
            self._shim_reporter.finish(self._shim_document)

    def __exit__(self, *_: object) -> None:
        self.close()

    def cutover_cluster(self, topic: str | None = None) -> ClusterName | None:  # noqa: ARG002 - as Producer's
        """Return the cluster that is read: always "source"."""
        return "source"


def _variant(name: str, *bases: Any) -> Any:
    doc = f"{name} of confluent_kafka; it stays on the source cluster and reports that."
    return None if None in bases else type(name, bases, {"__doc__": doc, "__module__": __name__})


ShareConsumer = _variant("ShareConsumer", _Stays, getattr(cimpl, "ShareConsumer", None))  # since 2.15
DeserializingShareConsumer = _variant(
    "DeserializingShareConsumer", raw_class("DeserializingShareConsumer"), ShareConsumer
)
