"""A client that can be replaced while other threads still wait for the answers to their calls."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from confluent_kafka import KafkaException
from cutover_shim.codes import SILENCE

C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")


class Renewable(Generic[C]):
    """Holds a client that `new` makes. Replaced ones are kept until no call is in progress.

    A client that nobody holds any more closes, and never completes the calls that are in progress.
    """

    def __init__(self, new: Callable[[], C]) -> None:
        self._new = new
        self._lock = threading.Lock()
        self._calls = 0
        self._replaced: list[C] = []
        self.client = new()

    def renew(self) -> None:
        """Replace the client by a new one."""
        client = self._new()
        with self._lock:
            self._replaced.append(self.client)
            self.client = client
            unused = self._unused()
        unused.clear()  # outside of the lock: a client takes a moment to close

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the present client, and all that replace it, until the context ends."""
        with self._lock:
            self._calls += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1
                unused = self._unused()
            unused.clear()

    def _unused(self) -> list[C]:
        if self._calls:
            return []
        unused, self._replaced = self._replaced, []
        return unused


class Renews(Protocol):
    """An object whose calls go through a client that can be replaced."""

    clients: Renewable[Any]


R = TypeVar("R", bound=Renews)


def renewing(method: Callable[Concatenate[R, P], T]) -> Callable[Concatenate[R, P], T]:
    """Renew the client after a call without an answer.

    A fenced broker, for example after it was frozen, briefly returns empty metadata. A client that accepts them has no
    broker left and, without rebootstrapping, never sends a request again (seen in librdkafka 2.16.0).
    """

    @functools.wraps(method)
    def call(self: R, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            with self.clients.in_use():
                return method(self, *args, **kwargs)
        except KafkaException as error:
            if error.args[0].code() in SILENCE:
                self.clients.renew()
            raise

    return call
