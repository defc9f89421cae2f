"""confluent_kafka's clients, whose cluster can change without a restart of the application.

Replace `from confluent_kafka import Producer, Consumer` by `from cutover_shim import Producer, Consumer`, or change
nothing and start the application with `python -m cutover_shim app.py`. See docs/shim.md. `cutover_shim.cutover_file`
parses the cutover file; every other module is private.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import confluent_kafka

from cutover_shim.adoption import install
from cutover_shim.consumer import Consumer
from cutover_shim.errors import CutoverFileError
from cutover_shim.producer import Producer
from cutover_shim.serializing import DeserializingConsumer, SerializingProducer
from cutover_shim.share import DeserializingShareConsumer, ShareConsumer

if TYPE_CHECKING:
    __version__: str
    from confluent_kafka import *  # type: ignore[assignment]  # noqa: F403 - errors, messages, offsets: as they are

    from cutover_shim.admin import AdminClient
    from cutover_shim.aio import AIOConsumer, AIOProducer

__all__ = [
    "AIOConsumer",
    "AIOProducer",
    "AdminClient",
    "Consumer",
    "CutoverFileError",
    "DeserializingConsumer",
    "DeserializingShareConsumer",
    "Producer",
    "SerializingProducer",
    "ShareConsumer",
    "install",
]
__all__ += [n for n in confluent_kafka.__all__ if n not in {*__all__, "admin", "aio", "kafkatest"}]

_HOMES = {"AIOConsumer": "aio", "AIOProducer": "aio", "AdminClient": "admin", "admin": "admin", "aio": "aio"}


def __getattr__(name: str) -> Any:
    # Few applications need asyncio or the admin client, and both take time to import.
    if name in _HOMES:
        found = import_module(f"cutover_shim.{_HOMES[name]}")
        return found if name == _HOMES[name] else getattr(found, name)
    if name == "__version__":
        return import_module("importlib.metadata").version("kafka-cutover")
    if not name.startswith("_") and hasattr(confluent_kafka, name):
        return getattr(confluent_kafka, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
