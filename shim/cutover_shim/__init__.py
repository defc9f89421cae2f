"""The cutover shim: confluent_kafka's clients, whose cluster can be changed without restarting the application.

Replace `from confluent_kafka import Producer, Consumer` by `from cutover_shim import Producer, Consumer`, or change
nothing and start the application by `python -m cutover_shim app.py`. See docs/shim.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import confluent_kafka

from cutover_shim.adoption import install
from cutover_shim.consumer import Consumer
from cutover_shim.errors import CutoverFileError
from cutover_shim.producer import Producer
from cutover_shim.serializing import DeserializingConsumer, SerializingProducer
from cutover_shim.share import DeserializingShareConsumer, ShareConsumer

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    # Not everybody needs asyncio or the admin client, and both take their time to import.
    if name in {"AIOConsumer", "AIOProducer"}:
        from cutover_shim import aio  # noqa: PLC0415

        return getattr(aio, name)
    if name == "AdminClient":
        from cutover_shim.admin import AdminClient  # noqa: PLC0415

        return AdminClient
    if not name.startswith("_") and hasattr(confluent_kafka, name):
        return getattr(confluent_kafka, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
