"""A client that can be replaced while other threads still wait for the answers to their calls."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from confluent_kafka import KafkaException
from cutover_shim.codes import SILENCE

C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")


class Renewable(Generic[C]):
    """Holds a client that `new` makes. Replaced ones are kept until the calls that may use them are over.

    A client that nobody holds any more closes, and never completes the calls that are in progress. A call uses the
    client with which it began, or one that replaced that one since. Those before it are closed while it is in progress:
    where calls of several threads follow each other without a gap, there would be more and more of them.
    """

    def __init__(self, new: Callable[[], C]) -> None:
        self._new = new
        self._lock = threading.Lock()
        self._number = 0
        self._calls = Counter[int]()
        """Calls in progress, by the number of the client with which they began."""
        self._replaced: dict[int, C] = {}
        self.client = new()

    def renew(self) -> None:
        """Replace the client by a new one."""
        client = self._new()
        with self._lock:
            self._replaced[self._number] = self.client
            self._number += 1
            self.client = client
            unused = self._unused()
        _close(unused)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the present client, and all that replace it, until the context ends."""
        with self._lock:
            began = self._number
            self._calls[began] += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls[began] -= 1
                unused = self._unused()
            _close(unused)

    def _unused(self) -> list[C]:
        self._calls = +self._calls
        first = min(self._calls, default=self._number)
        return [self._replaced.pop(number) for number in [*self._replaced] if number < first]


def _close(unused: list[Any]) -> None:
    """Let go of these clients in a thread of its own, which is not waited for.

    A client closes when nobody holds it any more, and may do so for ever while its broker is away
    (confluentinc/librdkafka#4519): it is then left behind with its threads.
    """
    if unused:
        threading.Thread(target=unused.clear, name="client-close", daemon=True).start()


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
