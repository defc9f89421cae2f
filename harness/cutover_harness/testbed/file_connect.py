"""A Connect worker with Kafka's file connectors, of which each start says on which cluster it works."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cutover_harness.testbed import settings
from cutover_harness.testbed.base import Cluster
from cutover_harness.testbed.connect_ready import connect_serves
from cutover_harness.testbed.jvm import ClassCache
from cutover_harness.testbed.nodes import JvmNode, Program
from cutover_harness.types import ClusterName

MAIN = "org.apache.kafka.connect.cli.ConnectDistributed"
FAREWELL = "Kafka Connect stopped"
WHERE = "CUTOVER_LOCATION"
"""Variable of the worker's environment with the cluster that it works on; configurations refer to it by `${env:…}`."""
_PROVIDER: Mapping[str, str] = {
    "config.providers": "env",
    "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
    "config.providers.env.param.allowlist.pattern": WHERE,
}


class FileConnect:
    """One worker at one address, which `point_to` restarts on the other cluster.

    It has topics of its own on each cluster, with names that no mirror copies. program: makes the program of a node
    from its properties and its environment. more: properties of the worker.
    """

    def __init__(
        self,
        name: str,
        port: int,
        folder: Path,
        clusters: Sequence[Cluster],
        plugin: Path,
        classpath: ClassCache,
        program: Callable[[Path, Mapping[str, str]], Program],
        more: Mapping[str, str],
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.place: ClusterName = "source"
        plugins = folder / "plugins"
        plugins.mkdir(parents=True)
        (plugins / plugin.name).symlink_to(plugin)
        own = {f"{kind}.storage.topic": f"{name}-{kind}.internal" for kind in ("config", "offset", "status")}
        own |= {"group.id": name, "plugin.path": str(plugins), **_PROVIDER, **more}
        self._nodes: dict[ClusterName, JvmNode] = {}
        serves = functools.partial(connect_serves, self.url)
        for cluster in clusters:
            file = folder / f"{cluster.name}.properties"
            settings.write_connect(file, cluster.connect_bootstrap, port, exactly_once=False, more=own)
            self._nodes[cluster.name] = JvmNode(program(file, {WHERE: cluster.name}), classpath, serves)

    @property
    def nodes(self) -> Sequence[JvmNode]:
        """The worker on each cluster; at most one of them runs."""
        return list(self._nodes.values())

    def launch(self) -> None:
        """Start it on the source, without waiting until it serves."""
        self._nodes["source"].launch()

    def await_ready(self) -> None:
        """Return when it serves. Raises TestbedError."""
        self._nodes[self.place].await_ready()

    def point_to(self, place: ClusterName) -> None:
        """Restart it on a cluster unless it works there, and return when it serves. Raises TestbedError."""
        if place != self.place:
            self._nodes[self.place].stop()
            self.place = place
            self._nodes[place].launch()
        self.await_ready()
