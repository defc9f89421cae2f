"""The background thread of the process: it looks at what clients follow, has them follow it, and writes statuses."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from cutover_shim import native, runtime
from cutover_shim.config import Settings
from cutover_shim.cutover_file import CutoverFile
from cutover_shim.following import key_of, watched_of
from cutover_shim.watched import Client, Watched

log = logging.getLogger("cutover_shim")

INTERVAL_S = 0.2
CONSTRUCTION_S = 60.0
"""For how long a client may be under construction before what it follows can be forgotten."""


class Watcher:
    """All watched files of this process, and its one thread."""

    def __init__(self) -> None:
        self._watches: dict[Any, Watched] = {}
        self._served: dict[Watched, CutoverFile | None] = {}
        self._claims: dict[Watched, list[float]] = {}  # when clients that are being constructed began to follow
        self._lock = native.RLock()
        self._wake = native.Event()
        self._running = False
        self._stopped = False
        self._logged: set[str] = set()

    def follow(self, settings: Settings) -> Watched:
        """Return what clients with these settings follow, with a good document.

        Raises CutoverFileError if there is none.
        """
        key = key_of(settings)
        with self._lock:
            watched = self._watches.get(key)
            if watched is None:
                watched = self._watches[key] = watched_of(settings)
                watched.changed = self.wake
            self._claims.setdefault(watched, []).append(time.monotonic())
        try:
            watched.first()  # outside of the lock: it may wait for a cluster
        except BaseException:
            with self._lock:
                self._claims[watched].pop(0)
                if not (watched.clients or self._claims[watched]) and self._watches.get(key) is watched:
                    del self._watches[key], self._claims[watched]
                    watched.stop()
            raise
        with self._lock:
            self._start()  # also if no client attaches: its construction may fail
        return watched

    def attach(self, watched: Watched, client: Client) -> None:
        """Pass every new document to a client from now on, beginning with the present one."""
        with self._lock:
            watched.clients.add(client)
            if claims := self._claims.get(watched):
                claims.pop(0)  # the others are of clients that are still being constructed
            self._served.setdefault(watched, watched.good)
            self._start()
        if watched.good is not None:
            client._shim_apply(watched.good)  # noqa: SLF001 - the protocol's names, hidden from the application
        self.wake()

    def detach(self, watched: Watched, client: Client) -> None:
        """Forget a client; with its last client a file is forgotten, with the last file the thread ends."""
        with self._lock:
            watched.clients.discard(client)
            self._forget_unused()
        self.wake()

    def _start(self) -> None:
        if not self._running:
            self._running = True
            native.start_thread(self._run, "cutover-shim")

    def _forget_unused(self) -> None:
        oldest = time.monotonic() - CONSTRUCTION_S
        for key, watched in list(self._watches.items()):
            claimed = any(claim > oldest for claim in self._claims.get(watched, ()))
            if not watched.clients and not claimed:
                self._claims.pop(watched, None)
                self._served.pop(watched, None)
                del self._watches[key]
                watched.stop()

    def wake(self) -> None:
        """Write statuses immediately instead of at the next tick."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread: the interpreter exits."""
        self._stopped = True
        self._wake.set()
        deadline = time.monotonic() + 1
        while self._running and time.monotonic() < deadline:
            native.sleep(0.005)
        self._write_last_statuses()

    def _write_last_statuses(self) -> None:
        """Write the last status of the clients that were not closed, in at most two seconds for all of them."""
        deadline = time.monotonic() + 2
        for watched in list(self._watches.values()):
            for client in list(watched.clients):
                left = max(0.0, deadline - time.monotonic())
                last = partial(client._shim_exit, left)  # noqa: SLF001
                self._guarded(last, "a client could not write its last status")

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException:
            self._running = False
            raise
        if self._stopped:
            self._running = False

    def _loop(self) -> None:
        due = 0.0
        while not self._stopped:
            self._wake.wait(max(0.0, min(INTERVAL_S, due - time.monotonic())) if due else 0)
            self._wake.clear()
            now = time.monotonic()
            with self._lock:
                self._forget_unused()
                watches = list(self._served)
                if not self._watches:
                    self._running = False  # under the lock: the next client starts a new thread
                    return
            look = now >= due
            if look:
                due = now + INTERVAL_S
            for watched in watches:
                if look:
                    self._guarded(watched.tick, "a channel could not be read")
                self._serve(watched, now)

    def _serve(self, watched: Watched, now: float) -> None:
        # A separate function, because a variable of the loop would keep a client that the application has dropped.
        good = watched.good
        changed = good is not self._served.get(watched)
        if changed and watched in self._served:
            self._served[watched] = good
        for client in list(watched.clients):
            if changed and good is not None:
                apply = partial(client._shim_apply, good)  # noqa: SLF001
                self._guarded(apply, "a client could not follow its cutover file")
            self._guarded(partial(client._shim_tick, now), "a client could not report its state")  # noqa: SLF001

    def _guarded(self, call: Callable[[], Any], what: str) -> Any:
        """Call, and log what is raised, once and not at every tick: it must not end the thread of the whole process."""
        try:
            return call()
        except Exception as error:
            failure = f"{what}: {type(error).__name__}: {error}"
            if failure not in self._logged:
                self._logged.add(failure)
                log.exception("cutover shim: %s", what)
            return None


watcher = Watcher()
atexit.register(lambda: watcher.stop())  # noqa: PLW0108 - the watcher of the process that exits, also after a fork


def _forked() -> None:
    # The child has no watching thread and no channel; clients that it constructs itself start them.
    global watcher  # noqa: PLW0603
    runtime.keep(watcher)  # with the consumers of its channels
    with contextlib.suppress(Exception):
        watcher = Watcher()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
