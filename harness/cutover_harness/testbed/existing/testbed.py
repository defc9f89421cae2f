"""The testbed of existing clusters: it starts nothing, and at its end removes what the run created."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cutover_harness.errors import UsageError
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.testbed.base import Progress, TargetKind, TestbedError, silent
from cutover_harness.testbed.existing.check import Checked, check
from cutover_harness.testbed.existing.claim import Claim
from cutover_harness.testbed.existing.cluster import ExistingCluster, ForeignNode, read_cluster
from cutover_harness.testbed.existing.description import ExistingClusters
from cutover_harness.testbed.existing.remains import Finder
from cutover_harness.types import ClusterName


def clusters_of(description: ExistingClusters) -> dict[ClusterName, ExistingCluster]:
    """Return both clusters. Raises UsageError if their properties cannot be read."""
    source, target = description.source, description.target
    return {
        "source": read_cluster("source", source.properties, source.version),
        "target": read_cluster("target", target.properties, target.version),
    }


def finder(description: ExistingClusters, note: Progress = silent) -> Finder:
    """Return what finds the remains of runs. Raises UsageError if a file cannot be read."""
    clusters = {name: cluster.client_config() for name, cluster in clusters_of(description).items()}
    return Finder(
        clusters, Connect(description.connect.url, access=description.connect.access), description.prefix_of, note
    )


class ExistingTestbed:
    """Two clusters and a Connect that exist already.

    Every name that the run creates on them begins with `prefix`. `left`: what could not be removed at the end.
    """

    kind = "existing"
    secrets_folder = None

    def __init__(self, workdir: Path, description: ExistingClusters, *, exactly_once: bool = False) -> None:
        self.workdir = workdir.resolve()
        self.logs = self.workdir / "logs"
        self.exactly_once = exactly_once
        self.prefix = description.new_prefix()
        self.access = description.connect.access
        self.target_kind: TargetKind = "AutoMQ" if description.target.kind == "automq" else "stand-in"
        self.worker = ForeignNode()
        self.connect_url = description.connect.url
        self.connect_logs: Sequence[Path] = ()
        self.left: Sequence[str] = ()
        self._description = description
        self._clusters = clusters_of(description)
        self._checked: Checked | None = None
        self._claim: Claim | None = None
        self._note: Progress = silent

    @property
    def source(self) -> ExistingCluster:
        """The cluster that applications move away from."""
        return self._clusters["source"]

    @property
    def target(self) -> ExistingCluster:
        """The cluster that they move to."""
        return self._clusters["target"]

    def reverse_connect_url(self) -> str:
        """Return the address of Connect. Raises UsageError with exactly-once, which needs another one."""
        if self.exactly_once:
            raise UsageError(
                "--exactly-once: a reverse mirror needs a Connect of its own, which keeps its state on the source; a "
                "testbed of existing clusters has one Connect: leave it out"
            )
        return self.connect_url

    def describe(self) -> dict[str, str]:
        """Return the testbed's description for the report."""
        target = "AutoMQ" if self.target_kind == "AutoMQ" else "Apache Kafka standing in for AutoMQ,"
        version = "" if self._checked is None else f" {self._checked.connect_version}"
        exactly_once = "exactly-once" if self.exactly_once else "at-least-once"
        return {
            "testbed": "existing clusters",
            "source": f"Apache Kafka {self.source.version}",
            "target": f"{target} {self.target.version}",
            "connect": f"Kafka Connect{version}, MirrorMaker 2, {exactly_once}",
            "names": f"on the clusters with the prefix {self._description.prefix} and a number, here without it",
            "host": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
            "python": platform.python_version(),
        }

    def start(self, progress: Progress = silent) -> None:
        """Check clusters and Connect, then claim the run's prefix. Raises UsageError if anything is missing."""
        self._note = progress
        self._checked = check_clusters(self._description, self.prefix, exactly_once=self.exactly_once)
        progress(f"existing clusters: every name begins with {self.prefix}")
        self.logs.mkdir(parents=True, exist_ok=True)
        configs = {name: cluster.client_config() for name, cluster in self._clusters.items()}
        self._claim = Claim(configs, self.prefix, self._description.prefix)
        try:
            self._claim.take()
        except BaseException as why:
            self.stop()
            if self.left and isinstance(why, UsageError):
                raise TestbedError(f"{why}; not removed: {'; '.join(self.left)}") from None
            raise

    def stop(self) -> None:
        """Remove everything that the run created, and note what is left; a second call does nothing.

        Raises TestbedError if the claim was not held all the time.
        """
        if self._claim is None:
            return
        claim, self._claim = self._claim, None
        try:
            claim.release()
        finally:
            self.left = remove(self._description, self.prefix, self._note)
            for each in self.left:
                self._note(f"not removed: {each}")

    def __enter__(self) -> Self:
        if self._claim is None:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def check_clusters(description: ExistingClusters, prefix: str, *, exactly_once: bool = False) -> Checked:
    """Raise UsageError for the first thing that a run lacks on these clusters; create nothing."""
    clusters: Mapping[ClusterName, ExistingCluster] = clusters_of(description)
    connect = Connect(description.connect.url, patience_s=0, access=description.connect.access)
    try:
        return check(description, clusters, connect, prefix=prefix, exactly_once=exactly_once)
    finally:
        connect.close()


def remove(description: ExistingClusters, prefix: str, note: Progress) -> list[str]:
    """Remove what the run with this prefix created; return what is left and why, in words."""
    found = finder(description, note)
    try:
        remains, silent_places = found.find()
        left = [line for each in remains if each.prefix == prefix for line in found.remove(each)]
        return list(dict.fromkeys([*left, *silent_places]))
    finally:
        found.connect.close()
