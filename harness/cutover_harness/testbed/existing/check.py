"""Check existing clusters and Connect before anything is created on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException

from cutover_harness import admin
from cutover_harness.admin import Admin
from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.mirror.client_properties import java
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.connector_configs import forward_configs
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.spec import Batch, MirrorSpec
from cutover_harness.testbed.base import TestbedError
from cutover_harness.testbed.existing.cluster import ExistingCluster
from cutover_harness.testbed.existing.description import ExistingClusters
from cutover_harness.types import ClusterName

OLDEST_CONNECT = (3, 6)
"""The first version that resets the offsets of a connector (KIP-875)."""
_MIRROR = "org.apache.kafka.connect.mirror"
PLUGINS = (f"{_MIRROR}.MirrorSourceConnector", f"{_MIRROR}.MirrorCheckpointConnector")
_REFUSED = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
_CHECKED = "check"


@dataclass(frozen=True)
class Checked:
    """What was found: Connect's version, and the ids of the clusters."""

    connect_version: str
    ids: Mapping[ClusterName, str | None]


def check(
    description: ExistingClusters,
    clusters: Mapping[ClusterName, ExistingCluster],
    connect: Connect,
    *,
    prefix: str,
    exactly_once: bool = False,
) -> Checked:
    """Raise UsageError for the first thing that a run with this prefix lacks; create nothing."""
    ids = {name: _reached(cluster) for name, cluster in clusters.items()}
    if ids["source"] is not None and ids["source"] == ids["target"]:
        raise TestbedError(f"source and target are the same cluster ({ids['source']}): give another target")
    version, keeps_state_on = _connect(connect, description)
    if exactly_once and keeps_state_on != ids["target"]:
        raise TestbedError(
            f"--exactly-once: Connect at {description.connect.url} keeps its state on cluster {keeps_state_on}, and "
            f"its transactions are those of that cluster, not of the target ({ids['target']}): leave it out"
        )
    for name, cluster in clusters.items():
        _translated(name, cluster, description)
    for why in mirror_refused(description, clusters, connect, prefix=prefix, exactly_once=exactly_once):
        raise TestbedError(f"Connect at {description.connect.url} refuses the configuration of MirrorMaker 2: {why}")
    for name, cluster in clusters.items():
        _may_create(name, cluster, description, prefix)
    return Checked(version, ids)


def mirror_refused(
    description: ExistingClusters,
    clusters: Mapping[ClusterName, ExistingCluster],
    connect: Connect,
    *,
    prefix: str,
    exactly_once: bool,
) -> list[str]:
    """Return what Connect finds wrong in the configurations of a mirror's connectors; creates nothing."""
    batch = Batch(_CHECKED, (f"{prefix}{_CHECKED}",), (f"{prefix}{_CHECKED}",), prefix=prefix)
    source, target = clusters["source"].client_config(), clusters["target"].client_config()
    spec = MirrorSpec(
        batch, description.connect.url, source, target, exactly_once=exactly_once, access=description.connect.access
    )
    return [why for config in forward_configs(spec).values() for why in connect.validate(config)]


def _translated(name: ClusterName, cluster: ExistingCluster, description: ExistingClusters) -> None:
    """Raise UsageError if Connect would need properties of its own to reach a cluster."""
    if description.connect.access.properties(name) is None:
        try:
            java(cluster.properties)
        except MirrorError as why:
            said = str(why).partition(": add ")[0]
            raise TestbedError(f"{name}: {said}: give connect.{name}, a file with Java client properties") from None


def _reached(cluster: ExistingCluster) -> str | None:
    """Return the cluster's id. Raises UsageError if it does not answer, or refuses the login."""
    config = cluster.client_config()
    try:
        admin.connect(config)
        return Admin(config).cluster_id()
    except KafkaException as why:
        raise TestbedError(
            f"{cluster.name} {cluster.bootstrap}: {why.args[0].str()}: check address and login"
        ) from None


def _connect(connect: Connect, description: ExistingClusters) -> tuple[str, str | None]:
    """Return Connect's version, and the id of the cluster that it keeps its state on."""
    root = connect.root()
    version, where = str(root.get("version", "")), f"Connect at {description.connect.url}"
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        raise TestbedError(f"{where}: answers, but not as Kafka Connect: check connect.url")
    if (int(numbers[1]), int(numbers[2])) < OLDEST_CONNECT:
        raise TestbedError(f"{where}: is version {version}, and 3.6 or later is needed to reset offsets: update it")
    there = connect.plugins()
    if missing := [plugin for plugin in PLUGINS if plugin not in there]:
        raise TestbedError(
            f"{where}: its workers have no {' and no '.join(missing)}: add Kafka's connect-mirror jar to them"
        )
    state = root.get("kafka_cluster_id")
    return version, None if state is None else str(state)


def _may_create(name: ClusterName, cluster: ExistingCluster, description: ExistingClusters, prefix: str) -> None:
    """Raise UsageError if a run could not create its topics on a cluster; nothing is created."""
    batch = Batch(_CHECKED, (), (), prefix=prefix)
    topics = [f"{prefix}{_CHECKED}"]
    if name == "target" and description.connect.target is None:  # otherwise MirrorMaker 2 is another user there
        topics += [batch.offset_syncs_topic, batch.checkpoints_topic]
    try:
        refusals = {topic: Admin(cluster.client_config()).would_create(topic, 1, {}) for topic in topics}
    except (KafkaException, UsageError) as why:
        raise TestbedError(f"{name} {cluster.bootstrap}: {in_one_line(why)}") from None
    for topic, refused in refusals.items():
        if refused is None:
            continue
        beginning = topic[: topic.index(prefix)] + description.prefix
        if refused.code() in _REFUSED:
            raise TestbedError(
                f"{name} {cluster.bootstrap}: the user may not create topics that begin with {beginning}: grant it "
                f"CREATE on topics with this prefix (a prefixed ACL)"
            )
        raise TestbedError(f"{name} {cluster.bootstrap}: does not create a topic {topic}: {refused.str()}")
