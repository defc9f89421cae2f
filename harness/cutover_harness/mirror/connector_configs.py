"""Configurations of a mirror's connectors: progress shows within seconds, and only the reverse mirror writes back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from cutover_harness import internal_topics
from cutover_harness.mirror.copy_settings import CopySettings
from cutover_harness.mirror.java_patterns import java_list
from cutover_harness.mirror.spec import MirrorSpec
from cutover_harness.mirror.topic_settings import NOT_COPIED

_BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"
_ORDINARY = CopySettings()

Configs = Mapping[str, Mapping[str, str]]
"""Connector name -> property -> value."""


def forward_configs(spec: MirrorSpec, copy: CopySettings = _ORDINARY, unknown: Iterable[str] = ()) -> Configs:
    """Return the configurations of the batch's connectors. They hold the clusters' secrets.

    `unknown`: topic properties of the source that the target does not have.
    """
    batch, common = spec.batch, _common(spec)
    copying = common | _copying(spec, copy, unknown)
    translating = common | {
        "connector.class": "org.apache.kafka.connect.mirror.MirrorCheckpointConnector",
        "topics": copying["topics"],
        "topics.exclude": copying["topics.exclude"],
        "groups": java_list(batch.groups),
        "groups.exclude": "",
        "refresh.groups.interval.seconds": str(spec.interval_s),
        "emit.checkpoints.interval.seconds": str(spec.interval_s),
        "sync.group.offsets.enabled": "true",
        "sync.group.offsets.interval.seconds": str(spec.interval_s),
    }
    if batch.prefix and not spec.exactly_once:
        # A Connect that others use, too, may write to another cluster, or as another user.
        copying |= _producer_of(spec)
        translating |= _producer_of(spec)
    heartbeats = common | {
        "connector.class": "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector",
        "emit.heartbeats.interval.seconds": "1",
    }
    every = {
        batch.source_connector: copying,
        batch.checkpoint_connector: translating,
        batch.heartbeat_connector: heartbeats,
    }
    return {name: every[name] for name in batch.connectors}


def reverse_configs(spec: MirrorSpec, copy: CopySettings = _ORDINARY, unknown: Iterable[str] = ()) -> Configs:
    """Return the configuration of the reverse mirror's one connector; `spec` is `MirrorSpec.reverse`.

    The cluster that it writes to gets records only: no topic of MirrorMaker 2, no topic settings.
    """
    config = _common(spec) | _copying(spec, copy, unknown)
    config |= {"offset-syncs.topic.location": "source", "sync.topic.configs.enabled": "false"}
    if not spec.exactly_once:
        # The worker's own producers write to the other cluster.
        config |= _producer_of(spec)
    return {spec.batch.source_connector: config}


def _producer_of(spec: MirrorSpec) -> dict[str, str]:
    """Return the address and the login of the target for the producers of the worker, whatever its own ones are."""
    config = {"security.protocol": "PLAINTEXT", **spec.java_target}
    return {f"producer.override.{key}": value for key, value in config.items()}


def _common(spec: MirrorSpec) -> dict[str, str]:
    common = {
        "source.cluster.alias": spec.batch.source_alias,
        "target.cluster.alias": spec.batch.target_alias,
        "replication.policy.class": "org.apache.kafka.connect.mirror.IdentityReplicationPolicy",
        "tasks.max": str(spec.tasks),
        "key.converter": _BYTES,
        "value.converter": _BYTES,
        "header.converter": _BYTES,
        # The target's default; AutoMQ has one replica whatever is requested.
        "replication.factor": "-1",
        "offset-syncs.topic.replication.factor": "-1",
        "checkpoints.topic.replication.factor": "-1",
        "heartbeats.topic.replication.factor": "-1",
        # The source cluster is only read.
        "offset-syncs.topic.location": "target",
    }
    for side, config in (("source", spec.java_source), ("target", spec.java_target)):
        common |= {f"{side}.cluster.{key}": value for key, value in config.items()}
        common[f"{side}.cluster.reconnect.backoff.max.ms"] = "500"
    return common


def _copying(spec: MirrorSpec, copy: CopySettings, unknown: Iterable[str]) -> dict[str, str]:
    config = {
        "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector",
        "topics": java_list(spec.batch.topics),
        "topics.exclude": ",".join([*internal_topics.PATTERNS, *filter(None, [java_list(spec.batch.exclude)])]),
        "refresh.topics.interval.seconds": str(spec.interval_s),
        "sync.topic.configs.interval.seconds": str(max(spec.interval_s, 5)),
        "sync.topic.acls.enabled": "false",
        # Its default would delete from the target's topics what is only a default on the source.
        "use.defaults.from": "source",
        "config.properties.exclude": ",".join([*NOT_COPIED, *map(re.escape, sorted(unknown))]),
        "offset.lag.max": "100",
        "source.consumer.auto.offset.reset": "earliest",
        "source.consumer.isolation.level": "read_committed",
        "source.consumer.metadata.max.age.ms": "1000",
        "source.consumer.max.poll.records": "2000",
        **copy.settings(),
    }
    if spec.exactly_once:
        config["exactly.once.support"] = "required"
    else:
        # Off by default in Connect; a retry may then duplicate records and, with more than one in flight, reorder them.
        config["producer.override.enable.idempotence"] = "true"
        config["producer.override.max.in.flight.requests.per.connection"] = "5"
    return config
