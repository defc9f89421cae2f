"""Forked children and subinterpreters, in which librdkafka cannot work."""

from __future__ import annotations

import importlib
import os
import weakref
from typing import Any, Protocol

FORKED = "this client was made before fork(), and librdkafka's threads stay in the parent: make it in the child process"


class Forkable(Protocol):
    """A client that can be closed in a forked child."""

    def _shim_forked(self) -> Any:
        """Refuse all further calls with FORKED, and return what refers to raw clients."""


clients: weakref.WeakSet[Forkable] = weakref.WeakSet()


def keep(holder: Any) -> None:
    """Keep what refers to raw clients for ever, in a forked child.

    Destroying a raw client waits for its threads, which this process does not have.
    """
    ctypes = importlib.import_module("ctypes")
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(holder))


def _after_fork() -> None:
    holders = [client._shim_forked() for client in list(clients)]  # noqa: SLF001 - the protocol's name
    if holders:
        keep(holders)
    clients.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def refuse_subinterpreters() -> None:
    """Raise ImportError outside the main interpreter: librdkafka calls back into that one alone."""
    for name in ("_interpreters", "_xxsubinterpreters"):  # since Python 3.13, and before
        try:
            module = importlib.import_module(name)
            current, main = module.get_current(), module.get_main()
        except (ImportError, AttributeError, RuntimeError):
            continue
        if current != main:
            raise ImportError("cutover_shim cannot be used in a subinterpreter: confluent_kafka's callbacks cannot")
        return


refuse_subinterpreters()
