"""Sizes and compression of the mirror's reads and writes, by the topics that it copies: constants would stall. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from cutover_harness.mirror.topic_settings import DEFAULT_MAX_MESSAGE_BYTES

_MIB = 1 << 20
_LARGEST_BATCH = _MIB
_LEAST_REQUEST = 16 * _MIB
_LEAST_BUFFER = 32 * _MIB  # Kafka's default
_LEAST_FETCH = _MIB  # Kafka's default
DEFAULT_REQUEST_LIMIT = 100 * _MIB  # socket.request.max.bytes
# How much larger a record may be uncompressed than its topic lets it be compressed.
_UNCOMPRESSED = 4
# The strongest first: it makes every record small enough that another codec made small enough.
CODECS = ("zstd", "gzip", "lz4", "snappy")
NONE = "none"


@dataclass(frozen=True)
class CopySettings:
    """Requirements of a batch's topics.

    `smallest` and `largest`: the limits of `max.message.bytes` on the target; `compression`: a codec or "none";
    `request_limit`: the largest request that the target's brokers accept. All in bytes.
    """

    smallest: int = DEFAULT_MAX_MESSAGE_BYTES
    largest: int = DEFAULT_MAX_MESSAGE_BYTES
    compression: str = NONE
    request_limit: int = DEFAULT_REQUEST_LIMIT

    def settings(self) -> dict[str, str]:
        """Return the properties of the source connector's consumer and producer.

        A rejected batch is split at `batch.size` endlessly (KAFKA-8350), so every topic has to accept that size.
        """
        request = min(max(_LEAST_REQUEST, _UNCOMPRESSED * self.largest), self.request_limit)
        fetch = max(_LEAST_FETCH, self.largest)
        return {
            "producer.override.batch.size": str(min(_LARGEST_BATCH, self.smallest)),
            "producer.override.linger.ms": "5",
            "producer.override.max.request.size": str(request),
            "producer.override.buffer.memory": str(max(_LEAST_BUFFER, 2 * request)),
            "producer.override.compression.type": self.compression,
            "source.consumer.max.partition.fetch.bytes": str(fetch),
        }


def copy_settings(
    target: Mapping[str, Mapping[str, str]], broker: Mapping[str, str], *, compressed_on_source: bool
) -> CopySettings:
    """Return the requirements of the target's topics, by their properties in force and a broker's.

    Without topics the broker's limit counts, because the first topic that appears may have it.
    """
    default = int(broker.get("message.max.bytes", DEFAULT_MAX_MESSAGE_BYTES))
    codecs = {each.get("compression.type", "producer") for each in target.values()}
    limits = [int(each.get("max.message.bytes", default)) for each in target.values()] or [default]
    return CopySettings(
        smallest=min(limits),
        largest=max(limits),
        compression=_codec(codecs, compressed_on_source=compressed_on_source),
        request_limit=int(broker.get("socket.request.max.bytes", DEFAULT_REQUEST_LIMIT)),
    )


def _codec(named: AbstractSet[str], *, compressed_on_source: bool) -> str:
    """Return the strongest codec among the topics; the brokers store each topic's records with its own codec anyway.

    Topics that leave it to producers ("producer") show only whether their records are compressed, not how.
    """
    if compressed_on_source and "producer" in named:
        return CODECS[0]
    return next((codec for codec in CODECS if codec in named), NONE)
