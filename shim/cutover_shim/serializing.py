"""The drop-ins for confluent_kafka's SerializingProducer and DeserializingConsumer.

Their own code runs unchanged: in the order of resolution this package's client stands where they expect the raw one.
"""

from __future__ import annotations

from types import GenericAlias
from typing import Any

import confluent_kafka

from cutover_shim.consumer import Consumer
from cutover_shim.producer import Producer


class SerializingProducer(confluent_kafka.SerializingProducer, Producer):  # type: ignore[misc]
    """SerializingProducer with the interface of confluent_kafka's, whose cluster can be changed under it."""

    def __class_getitem__(cls, item: Any) -> GenericAlias:
        return GenericAlias(cls, item)


class DeserializingConsumer(confluent_kafka.DeserializingConsumer, Consumer):
    """DeserializingConsumer with the interface of confluent_kafka's, whose cluster can be changed under it."""

    def __class_getitem__(cls, item: Any) -> GenericAlias:
        return GenericAlias(cls, item)
