"""Opening the clients of a replay: the shim's, or the raw ones for applications that are moved by a restart."""

from __future__ import annotations

from typing import Any

import confluent_kafka
import cutover_shim

from cutover_harness.replay.config import ConsumerConfig, ProducerConfig

PRODUCER_DEFAULTS = {"enable.idempotence": True, "linger.ms": 5}
CONSUMER_DEFAULTS = {"auto.offset.reset": "earliest"}


class RawProducer(confluent_kafka.Producer):
    """The plain client, which knows the name of the one cluster it is on."""

    def __init__(self, properties: dict[str, Any], cluster: str) -> None:
        super().__init__(properties)
        self.only_cluster = cluster

    def cutover_cluster(self, topic: str | None = None) -> str:  # noqa: ARG002 - the shim's signature
        """Return the cluster's name."""
        return self.only_cluster


class RawConsumer(confluent_kafka.Consumer):
    """The plain client, which knows the name of the one cluster it is on."""

    def __init__(self, properties: dict[str, Any], cluster: str) -> None:
        super().__init__(properties)
        self._cluster = cluster

    def cutover_cluster(self, topic: str | None = None) -> str:  # noqa: ARG002 - the shim's signature
        """Return the cluster's name."""
        return self._cluster


def properties(config: ProducerConfig | ConsumerConfig, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the client's properties; those of the configuration win over the replay's defaults."""
    out = {**defaults, "client.id": config.instance, **config.client}
    if config.use_shim:
        out["cutover.file"] = str(config.cutover_file)
        out["cutover.instance"] = config.instance
        if config.status_dir is not None:
            out["cutover.status"] = str(config.status_dir)
    return out


def open_producer(config: ProducerConfig) -> Any:
    """Return the producer that `config` describes."""
    found = properties(config, PRODUCER_DEFAULTS)
    if config.in_transactions is not None:
        found["transactional.id"] = f"{found.get('transactional.id') or 'kafka-cutover'}-{config.instance}"
    return cutover_shim.Producer(found) if config.use_shim else RawProducer(found, str(config.cluster))


def open_consumer(config: ConsumerConfig, **callbacks: Any) -> Any:
    """Return the consumer that `config` describes; `callbacks` are client properties, such as on_commit."""
    found = properties(config, CONSUMER_DEFAULTS) | callbacks
    found["group.id"] = config.group
    found["enable.auto.commit"] = config.commit == "auto"
    return cutover_shim.Consumer(found) if config.use_shim else RawConsumer(found, str(config.cluster))
