"""The drop-ins for confluent_kafka's SerializingProducer and DeserializingConsumer.

Their own code runs unchanged: in the method resolution order this package's client takes the place of the raw one.
"""

from __future__ import annotations

from importlib import import_module
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from cutover_shim.consumer import Consumer
from cutover_shim.producer import Producer

_HOMES = {
    "SerializingProducer": "serializing_producer",
    "DeserializingConsumer": "deserializing_consumer",
    "DeserializingShareConsumer": "deserializing_share_consumer",  # since confluent-kafka 2.16
}


def raw_class(name: str) -> Any:
    """Return the class as its own module defines it, whatever has replaced it elsewhere; None if there is none."""
    try:
        return getattr(import_module(f"confluent_kafka.{_HOMES[name]}"), name)
    except ImportError:
        return None


if TYPE_CHECKING:
    from confluent_kafka.deserializing_consumer import DeserializingConsumer as RawDeserializing
    from confluent_kafka.serializing_producer import SerializingProducer as RawSerializing
else:
    RawSerializing, RawDeserializing = raw_class("SerializingProducer"), raw_class("DeserializingConsumer")


class SerializingProducer(RawSerializing, Producer):  # type: ignore[misc]
    """SerializingProducer with confluent_kafka's interface, whose cluster can change while it is in use."""

    def __class_getitem__(cls, item: Any) -> GenericAlias:
        return GenericAlias(cls, item)


class DeserializingConsumer(RawDeserializing, Consumer):
    """DeserializingConsumer with confluent_kafka's interface, whose cluster can change while it is in use."""

    def __class_getitem__(cls, item: Any) -> GenericAlias:
        return GenericAlias(cls, item)
