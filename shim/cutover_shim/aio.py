"""The drop-ins for confluent_kafka.aio's AIOProducer and AIOConsumer.

They build their client as `confluent_kafka.Producer(…)`, by name. Their constructors are run here with that one name
meaning this package's clients; all else is their own code.
"""

from __future__ import annotations

import functools
import weakref
from types import FunctionType, SimpleNamespace
from typing import Any

from confluent_kafka import aio

from cutover_shim.consumer import Consumer
from cutover_shim.producer import Producer

__all__ = ["AIOConsumer", "AIOProducer"]


def _on_the_shim(constructor: Any) -> Any:
    names = {**constructor.__globals__, "confluent_kafka": SimpleNamespace(Producer=Producer, Consumer=Consumer)}
    made = FunctionType(
        constructor.__code__, names, constructor.__name__, constructor.__defaults__, constructor.__closure__
    )
    made.__kwdefaults__, made.__annotations__ = constructor.__kwdefaults__, constructor.__annotations__
    return made


def _counting(constructor: Any) -> Any:
    """Let the status count what an AIOProducer has not handed over yet: it waits as much as what the shim holds."""

    @functools.wraps(constructor)
    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        constructor(self, *args, **kwargs)
        core = getattr(self._producer, "_shim", None)
        if core is not None:
            core.buffered = weakref.WeakMethod(self._batch_processor.get_buffer_size)

    return construct


class AIOProducer(aio.AIOProducer):
    """AIOProducer with the interface of confluent_kafka's, whose cluster can be changed under it."""

    __init__ = _counting(_on_the_shim(aio.AIOProducer.__init__))

    def cutover_cluster(self, topic: str | None = None) -> str | None:
        """Tell which cluster a topic's messages go to now, as Producer.cutover_cluster does."""
        found: str | None = self._producer.cutover_cluster(topic)  # type: ignore[attr-defined]
        return found


class AIOConsumer(aio.AIOConsumer):
    """AIOConsumer with the interface of confluent_kafka's, whose cluster can be changed under it."""

    __init__ = _on_the_shim(aio.AIOConsumer.__init__)

    def cutover_cluster(self, topic: str | None = None) -> str | None:
        """Tell which cluster is read now, as Consumer.cutover_cluster does."""
        found: str | None = self._consumer.cutover_cluster(topic)  # type: ignore[attr-defined]
        return found
