"""Replacing confluent_kafka's clients by the shim's without a change to the application."""

from __future__ import annotations

import logging
import sys
from types import CodeType, FunctionType, MethodDescriptorType, ModuleType
from typing import Any

import confluent_kafka
from confluent_kafka import cimpl

from cutover_shim.consumer import Consumer
from cutover_shim.producer import Producer
from cutover_shim.serializing import DeserializingConsumer, SerializingProducer, raw_class
from cutover_shim.share import DeserializingShareConsumer, ShareConsumer

log = logging.getLogger("cutover_shim")

_RAW: dict[str, Any] = {
    "Producer": cimpl.Producer,
    "Consumer": cimpl.Consumer,
    "SerializingProducer": raw_class("SerializingProducer"),
    "DeserializingConsumer": raw_class("DeserializingConsumer"),
    "ShareConsumer": getattr(cimpl, "ShareConsumer", None),
    "DeserializingShareConsumer": raw_class("DeserializingShareConsumer"),
}
_OURS: dict[str, Any] = {
    "Producer": Producer,
    "Consumer": Consumer,
    "SerializingProducer": SerializingProducer,
    "DeserializingConsumer": DeserializingConsumer,
    "ShareConsumer": ShareConsumer,
    "DeserializingShareConsumer": DeserializingShareConsumer,
}
_mixed: dict[type, type] = {}
#: Instrumentations whose classes get the shim's class as a base when they replace a client, also after install().
_INSTRUMENTATIONS = ("opentelemetry.instrumentation.confluent_kafka", "ddtrace.contrib.")


def install() -> None:
    """Replace `confluent_kafka.Producer` and the other clients by those of the shim, in the whole process.

    Works before and after the application has imported confluent_kafka or one of its modules: names that modules have
    already bound are rebound, `confluent_kafka.admin.AdminClient` included. A class that has already replaced a client
    (OpenTelemetry's and Datadog's instrumentation do that) stays, with the shim's class as a base; so does one that
    replaces it later. Other classes that were derived from a raw client before cannot be changed and are named in a
    warning: install earlier, or start the application with `python -m cutover_shim`. A second call does nothing.
    """
    from cutover_shim import aio  # noqa: PLC0415 - slow to import
    from cutover_shim.admin import AdminClient, RawAdminClient  # noqa: PLC0415 - slow to import

    pairs = {_RAW[name]: _OURS[name] for name in _RAW if _RAW[name] is not None}
    pairs[RawAdminClient] = AdminClient
    for name, raw in _RAW.items():
        now = getattr(confluent_kafka, name, None)
        if isinstance(now, type) and raw is not None:
            pairs[now] = on_shim(name, now)
    pairs |= _of_clients_own_modules(pairs)
    # Without these two the clients inside are the shim's all the same, but the status lacks what they buffer.
    asynchronous = {aio.RawAIOProducer: aio.AIOProducer, aio.RawAIOConsumer: aio.AIOConsumer}
    for raw in (*pairs, *asynchronous):
        _pin(raw)
    _rebind(pairs | asynchronous)
    if not isinstance(confluent_kafka, _Watched):
        sys.modules["confluent_kafka"].__class__ = _Watched
    _warn_of_derived(pairs)


def on_shim(name: str, found: type) -> type:
    """Return the class to use instead of `found`, which is bound to the name of a client.

    For the raw client it is the shim's. For a class derived from the raw client it is one that derives from both.
    """
    raw, ours = _RAW[name], _OURS[name]
    if found is raw:
        return ours  # type: ignore[no-any-return]
    if issubclass(found, ours) or not issubclass(found, raw):
        return found
    if found not in _mixed:
        _pin(found)
        names = {"__module__": found.__module__, "__qualname__": found.__qualname__, "__doc__": found.__doc__}
        _mixed[found] = type(found.__name__, (found, ours), names | _rewrapped(found, raw, ours))
    return _mixed[found]


def _rewrapped(found: type, raw: type, ours: type) -> dict[str, Any]:
    """Wrap the shim's methods as `found` has wrapped the raw client's own, which would bypass the shim.

    A wrapper is an object of wrapt (https://wrapt.readthedocs.io), which both instrumentations use.
    """
    again: dict[str, Any] = {}
    for between in reversed(found.__mro__[: found.__mro__.index(raw)]):
        for name, method in vars(between).items():
            wrapper = getattr(method, "_self_wrapper", None)
            if wrapper is not None and isinstance(getattr(method, "__wrapped__", None), MethodDescriptorType):
                again[name] = type(method)(getattr(ours, name), wrapper)
    return again


class _Watched(ModuleType):
    """The module confluent_kafka: a class that replaces a client after install() gets the shim's class as a base."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, type) and _RAW.get(name) is not None:
            value = on_shim(name, value)
        super().__setattr__(name, value)


def _of_clients_own_modules(pairs: dict[Any, Any]) -> dict[Any, Any]:
    """Return confluent_kafka's own classes that derive from a client, as far as imported (confluent_kafka.avro)."""
    found: dict[Any, Any] = {}
    for name in ("Producer", "Consumer"):
        for derived in type.__subclasses__(_RAW[name]):
            if derived not in pairs and _package(derived.__module__) == "confluent_kafka":
                found[derived] = on_shim(name, derived)
    return found


def _pin(raw: type) -> None:
    """Make the methods of a class refer to it by a private global name, so that its usual name can be rebound.

    confluent_kafka's methods contain `super(AdminClient, self)`: with another class of that name they raise TypeError.
    """
    own = f"_cutover_{raw.__qualname__.replace('.', '_')}"
    for method in vars(raw).values():
        function = getattr(method, "__func__", method)
        while not isinstance(function, FunctionType) and hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        if isinstance(function, FunctionType) and function.__globals__.get(raw.__name__) is raw:
            function.__globals__[own] = raw
            function.__code__ = _renamed(function.__code__, raw.__name__, own)


def _renamed(code: CodeType, old: str, new: str) -> CodeType:
    inner = tuple(_renamed(c, old, new) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_names=tuple(new if n == old else n for n in code.co_names), co_consts=inner)


def _rebind(pairs: dict[Any, Any]) -> None:
    for module in list(sys.modules.values()):
        home = getattr(module, "__name__", "") or ""
        if _package(home) == "cutover_shim":
            continue
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if not isinstance(value, type) or value not in pairs or name.startswith("_cutover_"):
                continue
            if value in _mixed and value.__module__ == home and _package(home) != "confluent_kafka":
                continue  # the instrumentation's own name for it, which it needs to remove it again
            setattr(module, name, pairs[value])


def _warn_of_derived(pairs: dict[Any, Any]) -> None:
    for raw in pairs:
        for derived in type.__subclasses__(raw):
            if derived not in pairs and derived not in _mixed and not _own(derived):
                log.warning(
                    "%s.%s was derived from confluent_kafka's %s before the shim was installed: it is not switched",
                    derived.__module__,
                    derived.__qualname__,
                    raw.__name__,
                )


def _own(derived: type) -> bool:
    homes = {replaced.__module__ for replaced in _mixed}  # an instrumentation's other classes are proxies of a client
    package = _package(derived.__module__)
    if derived.__module__.startswith(_INSTRUMENTATIONS):
        return True
    return derived in _mixed.values() or derived.__module__ in homes or package in {"confluent_kafka", "cutover_shim"}


def _package(module: str) -> str:
    return module.partition(".")[0]
