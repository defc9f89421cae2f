"""Putting the shim in the place of confluent_kafka's clients without a change to the application."""

from __future__ import annotations

import logging
import sys
from typing import Any

import confluent_kafka
from confluent_kafka import cimpl

from cutover_shim.consumer import Consumer
from cutover_shim.producer import Producer
from cutover_shim.serializing import DeserializingConsumer, SerializingProducer
from cutover_shim.share import DeserializingShareConsumer, ShareConsumer

log = logging.getLogger("cutover_shim")

_RAW: dict[str, Any] = {
    "Producer": cimpl.Producer,
    "Consumer": cimpl.Consumer,
    "SerializingProducer": confluent_kafka.SerializingProducer,
    "DeserializingConsumer": confluent_kafka.DeserializingConsumer,
    "ShareConsumer": getattr(confluent_kafka, "ShareConsumer", None),
    "DeserializingShareConsumer": getattr(confluent_kafka, "DeserializingShareConsumer", None),
}
_OURS: dict[str, Any] = {
    "Producer": Producer,
    "Consumer": Consumer,
    "SerializingProducer": SerializingProducer,
    "DeserializingConsumer": DeserializingConsumer,
    "ShareConsumer": ShareConsumer,
    "DeserializingShareConsumer": DeserializingShareConsumer,
}


def install() -> None:
    """Make `confluent_kafka.Producer` and the other clients those of the shim, for the whole process.

    Works before and after the application has imported confluent_kafka: names that its modules have already bound are
    rebound. Classes that the application has already derived from a raw client cannot be changed and are named in a
    warning; install earlier, or start it by `python -m cutover_shim`. Calling it again does nothing.
    """
    pairs = {_RAW[name]: _OURS[name] for name in _RAW if _RAW[name] is not None}
    admin = sys.modules.get("confluent_kafka.admin")
    if admin is not None:
        from cutover_shim.admin import AdminClient, RawAdminClient  # noqa: PLC0415 - only for whom uses it

        pairs[RawAdminClient] = AdminClient
        admin.AdminClient = AdminClient  # type: ignore[attr-defined]
    for name, ours in _OURS.items():
        if ours is not None:
            setattr(confluent_kafka, name, ours)
    _rebind(pairs)
    _warn_of_derived(pairs)


def _rebind(pairs: dict[Any, Any]) -> None:
    for module in list(sys.modules.values()):
        if _own(getattr(module, "__name__", "") or ""):
            continue
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if isinstance(value, type) and value in pairs:
                setattr(module, name, pairs[value])


def _warn_of_derived(pairs: dict[Any, Any]) -> None:
    for raw in pairs:
        for derived in type.__subclasses__(raw):
            if not _own(derived.__module__):
                log.warning(
                    "%s.%s was derived from confluent_kafka's %s before the shim was installed: it is not switched",
                    derived.__module__,
                    derived.__qualname__,
                    raw.__name__,
                )


def _own(module: str) -> bool:
    return module.partition(".")[0] in {"confluent_kafka", "cutover_shim", "cimpl"}
