"""One channel of several, used by a thread of its own: a cluster that is away delays no other channel."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from cutover_harness.channels.base import ChannelWriter, OvertakenError
from cutover_harness.errors import FinalError, UsageError

T = TypeVar("T")
_CLOSE_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0


@dataclass(frozen=True)
class Outgoing:
    """A document on its way: its whole text, and its body and generation, by which it is compared."""

    generation: int
    body: str
    text: str


class SupersededError(Exception):
    """A newer document is to be delivered, or the channel was closed."""


class Delivery:
    """Reads and writes one channel on a thread of its own, one job after the other.

    refuse: raises OvertakenError if this content of the channel must not be replaced. inline: whether to do each job on
    the caller's thread, as for a single channel.
    """

    def __init__(
        self, writer: ChannelWriter, refuse: Callable[[str, str | None, Outgoing], None], *, inline: bool = False
    ) -> None:
        self.writer = writer
        self.name = writer.name
        self.has: Outgoing | None = None
        """The last document that was delivered."""
        self.at_ns = 0
        """When that was, by this machine's clock."""
        self.error: str | None = None
        """Why the last attempt has failed, None if it has not."""
        self._refuse, self._inline = refuse, inline
        self._wanted: Outgoing | None = None
        self._changed = threading.Event()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def late(self) -> bool:
        """Whether a document has not been delivered yet."""
        return self._wanted is not None and self.has is not self._wanted

    def read(self) -> Future[str | None]:
        """Read the channel."""
        return self._submit(self.writer.read)

    def deliver(self, document: Outgoing, *, once: bool = False) -> Future[None]:
        """Write the document; with `once` the first error ends it, otherwise it is repeated until it is superseded.

        The result is OvertakenError if another writer's document is there, and SupersededError.
        """
        self._wanted = document
        self._changed.set()
        return self._submit(lambda: self._deliver(document, once=once))

    def fail(self, why: UsageError) -> None:
        """Note why the last attempt has failed, in words that begin with the channel's name."""
        self.error = str(why) if str(why).startswith(self.name) else f"{self.name}: {why}"

    def withdraw(self) -> None:
        """Deliver the last wanted document no more; it may be on its way already."""
        self._wanted = self.has
        self._changed.set()

    def put_back(self, document: Outgoing, before: Outgoing) -> Future[None]:
        """Replace a document that was delivered by the one before it."""
        self._wanted = self.has = before
        return self._submit(lambda: self.writer.write(before.text, replaces=document.text))

    def close(self) -> None:
        """Close the channel's clients, and end the thread; an attempt that hangs is not waited for."""
        self._wanted = None
        self._changed.set()
        if self._thread is None:
            self.writer.close()
            return
        self._jobs.put(self.writer.close)
        self._jobs.put(None)
        self._thread.join(_CLOSE_S)

    def _deliver(self, document: Outgoing, *, once: bool) -> None:
        pause_s = _FIRST_PAUSE_S
        while self._wanted is document:
            self._changed.clear()
            try:
                self._write(document)
            except OvertakenError as why:
                self.fail(why)
                raise
            except UsageError as why:
                self.fail(why)
                if once:
                    raise
                self._changed.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self.has, self.at_ns, self.error = document, time.time_ns(), None
                return
        raise SupersededError

    def _write(self, document: Outgoing) -> None:
        """Write the document over what is there, unless that is another writer's."""
        for last in (False, False, True):
            try:
                there = self.writer.read()
            except FinalError:
                raise
            except UsageError:  # the writer decides: a file that cannot be read can be replaced
                there = None
            self._refuse(self.name, there, document)
            try:
                return self.writer.write(document.text, replaces=there)
            except OvertakenError:
                if last:  # then `refuse` has found no document there three times: something else keeps writing
                    raise UsageError(f"{self.name}: its content changes all the time") from None
        return None

    def _submit(self, job: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(job())
            except BaseException as why:  # noqa: BLE001 - the caller of result() gets it
                future.set_exception(why)

        if self._inline:
            run()
            return future
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"channel {self.name}", daemon=True)
            self._thread.start()
        self._jobs.put(run)
        return future

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
