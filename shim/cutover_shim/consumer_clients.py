"""The raw consumers of one consumer, whose callbacks run on the application's threads only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from confluent_kafka.cimpl import Consumer as RawConsumer

from cutover_shim import config, native
from cutover_shim.clients import build_client
from cutover_shim.cutover_file import ClusterName, CutoverFile

_CALLBACKS = ("error_cb", "stats_cb", "throttle_cb", "on_commit")


class ConsumerClients:
    """Constructs the clients of one consumer, from the application's properties (`conf`) and a cluster's."""

    def __init__(self, conf: Mapping[str, Any], on_commit: Callable[..., Any]) -> None:
        self._conf = conf
        self._on_commit = on_commit
        self._own_threads: set[int] = set()

    def build(self, cluster: ClusterName, file: CutoverFile | None, *, switches: bool = False) -> Any:
        """Construct a client of one cluster, whose callbacks never run on a thread of the shim.

        switches: whether it replaces the client of the other cluster, and joins its group together with others. Raises
        what the client's constructor raises, without secret values in the text.
        """
        if file is None:
            return RawConsumer(dict(self._conf))
        conf = config.for_cluster(self._conf, file.clusters[cluster])
        if switches:
            conf = config.joining(conf)
        conf["on_commit"] = self._on_commit
        for name in _CALLBACKS:
            if callable(conf.get(name)):
                conf[name] = self._keep_off_own_threads(conf[name])
        if hasattr(conf.get("logger"), "log"):
            conf["logger"] = SimpleNamespace(log=self._keep_off_own_threads(conf["logger"].log))
        return build_client(RawConsumer, conf, file.clusters[cluster])

    def build_silent(self, cluster: ClusterName, file: CutoverFile) -> Any:
        """Construct a client that only asks: it has no callbacks and logs nothing. Raises as `build`."""
        conf = config.for_cluster(self._conf, file.clusters[cluster])
        silent = {k: v for k, v in conf.items() if k not in {*_CALLBACKS, "logger"}}
        return build_client(RawConsumer, {**silent, "log_level": 0}, file.clusters[cluster])

    @contextlib.contextmanager
    def own_thread(self) -> Iterator[None]:
        """Drop callbacks that become due on this thread: they are of a client that the application does not use."""
        ident = native.get_ident()
        self._own_threads.add(ident)
        try:
            yield
        finally:
            self._own_threads.discard(ident)

    def _keep_off_own_threads(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        own = self._own_threads

        def call(*args: Any) -> Any:
            return None if native.get_ident() in own else callback(*args)

        return call
