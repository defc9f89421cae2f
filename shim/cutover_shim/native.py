"""Threads and locks of the operating system, also if gevent has replaced Python's.

A client's calls block the whole thread in C, so that a greenlet on the application's thread would not run when it is
needed, and the clients' own threads cannot wake greenlets. Therefore the shim always uses real threads and locks.
Conditions are built here because `threading.Condition` builds its waiters from whatever `_thread` was patched to.
"""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Self


def original(module: str, name: str, default: Any) -> Any:
    """Return what gevent has replaced in a module; `default` if it has replaced nothing there."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched(module):
        return monkey.get_original(module, name)
    return default


_PATCHED = "gevent.monkey" in sys.modules and sys.modules["gevent.monkey"].is_module_patched("threading")
allocate_lock: Callable[[], Any] = original("_thread", "allocate_lock", _thread.allocate_lock)
get_ident: Callable[[], int] = original("_thread", "get_ident", _thread.get_ident)
sleep: Callable[[float], None] = original("time", "sleep", time.sleep)
_start: Callable[..., int] = original("_thread", "start_new_thread", _thread.start_new_thread)
RLock: Callable[[], Any] = original("_thread", "RLock", _thread.RLock)


def start_thread(run: Callable[[], None], name: str) -> None:
    """Run a function on a real thread that does not keep the process alive."""
    if _PATCHED:
        _start(run, ())
    else:
        threading.Thread(target=run, name=name, daemon=True).start()


class Condition:
    """A re-entrant lock with wait and notify_all, as threading.Condition(RLock())."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._waiters: deque[Any] = deque()

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock until notified, at most `timeout` seconds; return whether it was notified."""
        waiter = allocate_lock()
        waiter.acquire()
        self._waiters.append(waiter)
        saved = self._lock._release_save()  # noqa: SLF001 - as threading.Condition does
        try:
            notified: bool = waiter.acquire() if timeout is None else waiter.acquire(True, max(0.0, timeout))
        finally:
            self._lock._acquire_restore(saved)  # noqa: SLF001
            with contextlib.suppress(ValueError):  # notify_all has removed it
                self._waiters.remove(waiter)
        return notified

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> bool:
        """Wait until the predicate is true, at most `timeout` seconds; return whether it is."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not predicate():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            self.wait(left)
        return True

    def notify_all(self) -> None:
        """Wake every thread that waits."""
        while self._waiters:
            self._waiters.popleft().release()


class Event:
    """A flag that threads can wait for."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._flag = False

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        return self._flag

    def set(self) -> None:
        """Set the flag."""
        with self._condition:
            self._flag = True
            self._condition.notify_all()

    def clear(self) -> None:
        """Clear the flag."""
        self._flag = False

    def wait(self, timeout: float) -> bool:
        """Wait for the flag, at most `timeout` seconds; return whether it is set."""
        with self._condition:
            self._condition.wait_for(lambda: self._flag, timeout)
            return self._flag
