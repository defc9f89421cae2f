"""Open the clients of a replay: the shim's, or plain ones for applications that move by a restart."""

from __future__ import annotations

from typing import Any

import confluent_kafka
import cutover_shim

from cutover_harness.replay.config import ConsumerConfig, ProducerConfig
from cutover_harness.types import ClusterName

PRODUCER_DEFAULTS = {"enable.idempotence": True, "linger.ms": 5}
CONSUMER_DEFAULTS = {"auto.offset.reset": "earliest"}


class RawProducer(confluent_kafka.Producer):
    """The plain client, with the name of its only cluster."""

    def __init__(self, properties: dict[str, Any], cluster: ClusterName) -> None:
        super().__init__(properties)
        self.only_cluster: ClusterName = cluster

    def cutover_cluster(self, topic: str | None = None) -> ClusterName:  # noqa: ARG002 - the shim's signature
        """Return the cluster's name."""
        return self.only_cluster


class RawConsumer(confluent_kafka.Consumer):
    """The plain client, with the name of its only cluster."""

    def __init__(self, properties: dict[str, Any], cluster: ClusterName) -> None:
        super().__init__(properties)
        self._cluster: ClusterName = cluster

    def cutover_cluster(self, topic: str | None = None) -> ClusterName:  # noqa: ARG002 - the shim's signature
        """Return the cluster's name."""
        return self._cluster


def properties(config: ProducerConfig | ConsumerConfig, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the client's properties; the configuration overrides the replay's defaults."""
    out = {**defaults, "client.id": config.instance, **config.client}
    out["client.id"] = f"{config.prefix}{out['client.id']}"
    if config.use_shim:
        out["cutover.file"] = str(config.cutover_file)
        out["cutover.instance"] = config.instance
        if config.channel is not None:
            out["cutover.channel"] = config.channel
        if config.key_file is not None:
            out["cutover.key"] = f"${{file:{config.key_file}}}"
        if config.status_dir is not None:
            out["cutover.status"] = str(config.status_dir)
    return out


def _only_cluster(config: ProducerConfig | ConsumerConfig) -> ClusterName:
    assert config.cluster is not None  # noqa: S101 - the configuration requires it without the shim
    return config.cluster


def open_producer(config: ProducerConfig) -> Any:
    """Return the producer of `config`."""
    found = properties(config, PRODUCER_DEFAULTS)
    if config.in_transactions is not None:
        given = found.get("transactional.id") or "kafka-cutover"
        found["transactional.id"] = f"{config.prefix}{given}-{config.instance}"
    return cutover_shim.Producer(found) if config.use_shim else RawProducer(found, _only_cluster(config))


def open_consumer(config: ConsumerConfig, **callbacks: Any) -> Any:
    """Return the consumer of `config`; `callbacks` are client properties, such as on_commit."""
    found = properties(config, CONSUMER_DEFAULTS) | callbacks
    found["group.id"] = config.group
    found["enable.auto.commit"] = config.commit == "auto"
    return cutover_shim.Consumer(found) if config.use_shim else RawConsumer(found, _only_cluster(config))
