"""The drop-ins for confluent_kafka.aio's AIOProducer and AIOConsumer.

They construct their client as `confluent_kafka.Producer(…)`, by name. Here their constructors run with that name bound
to this package's clients; everything else is their own code.
"""

from __future__ import annotations

import functools
import weakref
from types import FunctionType, SimpleNamespace
from typing import Any

from confluent_kafka import aio

from cutover_shim.consumer import Consumer
from cutover_shim.cutover_file import ClusterName
from cutover_shim.producer import Producer

__all__ = ["AIOConsumer", "AIOProducer"]

RawAIOProducer = aio.AIOProducer
RawAIOConsumer = aio.AIOConsumer


def _on_the_shim(constructor: Any) -> Any:
    names = {**constructor.__globals__, "confluent_kafka": SimpleNamespace(Producer=Producer, Consumer=Consumer)}
    made = FunctionType(
        constructor.__code__, names, constructor.__name__, constructor.__defaults__, constructor.__closure__
    )
    made.__kwdefaults__, made.__annotations__ = constructor.__kwdefaults__, constructor.__annotations__
    return made


def _counting(constructor: Any) -> Any:
    """Make the status count the messages that an AIOProducer still buffers as queued."""

    @functools.wraps(constructor)
    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        constructor(self, *args, **kwargs)
        core = getattr(self._producer, "_shim", None)
        if core is not None:
            core.buffered = weakref.WeakMethod(self._batch_processor.get_buffer_size)

    return construct


class AIOProducer(aio.AIOProducer):
    """AIOProducer with confluent_kafka's interface, whose cluster can change while it is in use."""

    __init__ = _counting(_on_the_shim(RawAIOProducer.__init__))

    def cutover_cluster(self, topic: str | None = None) -> ClusterName | None:
        """Return the cluster to which a topic's messages go now: see Producer.cutover_cluster."""
        found: ClusterName | None = self._producer.cutover_cluster(topic)  # type: ignore[attr-defined]
        return found


class AIOConsumer(aio.AIOConsumer):
    """AIOConsumer with confluent_kafka's interface, whose cluster can change while it is in use."""

    __init__ = _on_the_shim(RawAIOConsumer.__init__)

    def cutover_cluster(self, topic: str | None = None) -> ClusterName | None:
        """Return the cluster that is read now: see Consumer.cutover_cluster."""
        found: ClusterName | None = self._consumer.cutover_cluster(topic)  # type: ignore[attr-defined]
        return found


def __getattr__(name: str) -> Any:
    # Everything else of confluent_kafka.aio, so that `from cutover_shim import aio` can replace its import.
    return getattr(aio, name)
