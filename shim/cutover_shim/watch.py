"""Watching cutover files: one background thread per process, which also writes statuses.

Files are polled, by content: neither inotify nor modification times can be trusted on network file systems and
on Kubernetes' mounted ConfigMaps, whose entries are symbolic links that are swapped.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import os
import stat
import time
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from cutover_shim import native
from cutover_shim.cutover_file import MAX_BYTES, CutoverFile, CutoverFileError, parse

log = logging.getLogger("cutover_shim")

INTERVAL_S = 0.2
STATUS_EVERY_S = 1.0


class Client(Protocol):
    """What the watcher asks of a producer or consumer."""

    def _shim_apply(self, file: CutoverFile) -> None: ...
    def _shim_tick(self, now: float) -> None: ...
    def _shim_exit(self, timeout_s: float) -> None: ...


class Watch:
    """One file: its last good version, and why the present content is refused, if it is."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.good: CutoverFile | None = None
        self.rejected: str | None = None
        self.clients: weakref.WeakSet[Client] = weakref.WeakSet()
        self._good_digest = b""
        self._judged: bytes | None = None
        self._seen: bytes | None = None
        self._inode: tuple[int, int] | None = None
        self._logged: str | None = None

    def first(self) -> CutoverFile:
        """Read the file for a client that starts. Raises CutoverFileError if it was never good."""
        if self.good is None:
            self._look(settled=True)
        if self.good is None:
            raise CutoverFileError(f"{self.path}: {self.rejected}")
        return self.good

    def tick(self) -> bool:
        """Look at the file once; True if a new good version was taken."""
        before = self.good
        self._look(settled=False)
        return self.good is not before

    def _look(self, *, settled: bool) -> None:
        content: bytes | CutoverFileError | OSError
        inode: tuple[int, int] | None = None
        try:
            content, inode = _read(self.path)
            digest = hashlib.sha256(content).digest()
        except (CutoverFileError, OSError) as error:
            content, digest = error, str(error).encode()
            self._inode = None  # what comes next may be written in place
        if digest == self._judged:
            return
        # A file that is written in place can be caught half-way: empty, or so that it still parses; and one that is
        # deleted and made again, as missing. So every content and every failure must be seen twice.
        # One that took the old one's place (rename, symlink swap) is whole at once.
        replaced = self._inode is not None and inode != self._inode
        if not (settled or replaced or digest == self._seen):
            self._seen = digest
            return
        self._inode, self._seen, self._judged = inode, digest, digest
        if isinstance(content, bytes):
            self._judge(content, digest)
        else:
            self._refuse(_told(content))

    def _judge(self, content: bytes, digest: bytes) -> None:
        if digest == self._good_digest:
            self.rejected = self._logged = None
            return
        try:
            file = parse(content.decode("utf-8"))
        except UnicodeDecodeError:
            self._refuse("not UTF-8 text")
            return
        except CutoverFileError as error:
            self._refuse(str(error))
            self._judged = None  # a secret or variable that it refers to may appear later
            return
        except Exception as error:  # noqa: BLE001 - whatever stands in it, the thread lives to see the next version
            self._refuse(f"cannot be used: {type(error).__name__}")
            return
        if self.good is not None and file.generation <= self.good.generation:
            what = "again, with other content" if file.generation == self.good.generation else "after"
            self._refuse(
                f"generation {file.generation} {what}"
                + ("" if file.generation == self.good.generation else f" {self.good.generation}")
                + ": every change needs a higher generation"
            )
            return
        self.good, self._good_digest, self.rejected, self._logged = file, digest, None, None

    def _refuse(self, why: str) -> None:
        self.rejected = why
        if why != self._logged and self.good is not None:
            log.warning("cutover file %s refused, the last good one stays in force: %s", self.path, why)
        self._logged = why


def _told(error: CutoverFileError | OSError) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or type(error).__name__}"
    return str(error)


def _read(path: str) -> tuple[bytes, tuple[int, int]]:
    if not stat.S_ISREG(Path(path).stat().st_mode):  # before opening: a FIFO would block
        raise CutoverFileError("not a regular file")
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as handle:
        facts = os.fstat(handle.fileno())
        content = handle.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise CutoverFileError("larger than 1 MiB")
    if not content.strip():
        raise CutoverFileError("empty")
    return content, (facts.st_dev, facts.st_ino)


class Watcher:
    """All watched files of this process, and its one thread."""

    def __init__(self) -> None:
        self._watches: dict[str, Watch] = {}
        self._lock = native.RLock()
        self._wake = native.Event()
        self._running = False
        self._stopped = False
        self._told: set[str] = set()

    def follow(self, path: str) -> Watch:
        """Find or make the watch of a path. Its file is read, so that it is good. Raises CutoverFileError."""
        with self._lock:
            watch = self._watches.get(path)
            if watch is None:
                watch = Watch(path)
                watch.first()
                self._watches[path] = watch
            return watch

    def attach(self, watch: Watch, client: Client) -> None:
        """Tell a client of every new version from now on, and of the present one if it has changed meanwhile."""
        with self._lock:
            self._watches[watch.path] = watch
            watch.clients.add(client)
            if not self._running:
                self._running = True
                native.start_thread(self._run, "cutover-shim")
        if watch.good is not None:
            client._shim_apply(watch.good)  # noqa: SLF001 - the protocol's names are private to the application
        self.wake()

    def detach(self, watch: Watch, client: Client) -> None:
        """Forget a client; with the last one its file is forgotten and the thread ends."""
        with self._lock:
            watch.clients.discard(client)
            if not watch.clients:
                self._watches.pop(watch.path, None)
        self.wake()

    def wake(self) -> None:
        """Look and write statuses now instead of at the next tick."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread: the interpreter exits."""
        self._stopped = True
        self._wake.set()
        deadline = time.monotonic() + 1
        while self._running and time.monotonic() < deadline:
            native.sleep(0.005)
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        """Let the clients that were not closed write their last status, in at most two seconds for all of them."""
        deadline = time.monotonic() + 2
        for watch in list(self._watches.values()):
            for client in list(watch.clients):
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
                watches = [w for w in self._watches.values() if w.clients]
                if not watches:
                    self._watches.clear()
                    self._running = False  # under the lock: the next client starts a thread of its own
                    return
            look = now >= due
            if look:
                due = now + INTERVAL_S
            for watch in watches:
                changed = look and self._guarded(watch.tick, "a cutover file could not be read")
                self._serve(watch, now, changed=bool(changed))

    def _serve(self, watch: Watch, now: float, *, changed: bool) -> None:
        # In a function of its own: a name of the loop's would keep a client that the application has dropped.
        for client in list(watch.clients):
            if changed and watch.good is not None:
                apply = partial(client._shim_apply, watch.good)  # noqa: SLF001
                self._guarded(apply, "a client could not follow its cutover file")
            self._guarded(partial(client._shim_tick, now), "a client could not report its state")  # noqa: SLF001

    def _guarded(self, call: Callable[[], Any], what: str) -> Any:
        """Call; what it raises is logged once, not at every tick, and does not end the thread of the whole process."""
        try:
            return call()
        except Exception as error:
            told = f"{what}: {type(error).__name__}: {error}"
            if told not in self._told:
                self._told.add(told)
                log.exception("cutover shim: %s", what)
            return None


watcher = Watcher()
atexit.register(lambda: watcher.stop())  # noqa: PLW0108 - the one of the process that exits, also after a fork


def _forked() -> None:
    # The child has no watcher thread; clients that it makes itself start one.
    global watcher  # noqa: PLW0603
    with contextlib.suppress(Exception):
        watcher = Watcher()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
