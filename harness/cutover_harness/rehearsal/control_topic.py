"""The control topic of a rehearsal: its name, its key, and records that the conductor did not write."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from cutover_shim.kafka_channel import KEY

from cutover_harness.channels.names import TopicName
from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.types import ClusterName

NAME = "cutover-control"
_STORED_WITHIN_S = 30.0


def new_key(path: Path) -> Path:
    """Write a new key for signatures into a private file, and return its path. Raises OSError."""
    write_atomic(path, secrets.token_hex(32), mode=PRIVATE)
    return path


@dataclass(frozen=True)
class ControlTopic:
    """The control topic `topic` on the clusters with these librdkafka properties."""

    topic: str
    endpoints: Mapping[ClusterName, Mapping[str, str]]

    @property
    def clusters(self) -> Sequence[ClusterName]:
        """The clusters that have it."""
        return list(self.endpoints)

    def channel(self, cluster: ClusterName) -> str:
        """Return the name that it has in statuses."""
        return str(TopicName(self.topic, cluster))

    def produce(self, cluster: ClusterName, content: bytes) -> None:
        """Write a record with the key of documents; returns when it is stored. Raises KafkaException."""
        failed: list[KafkaError] = []

        def report(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error)

        producer = Producer(
            {
                **self.endpoints[cluster],
                # A document of more than 1 MiB is stored if it is compressed.
                "compression.type": "gzip",
                "message.max.bytes": 10_000_000,
                "message.timeout.ms": int(_STORED_WITHIN_S * 1000),
            }
        )
        producer.produce(self.topic, content, KEY, partition=0, on_delivery=report)
        producer.flush(_STORED_WITHIN_S)
        if failed:
            raise KafkaException(failed[0])
