"""Tasks in parallel threads, which an interruption of the tool ends."""

from __future__ import annotations

import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from cutover_harness.processes import Process, started, stop_all

CLEAN_UP_S = 15.0
"""How long interrupted tasks may take to stop their processes, before these are stopped for them."""


def run_in_parallel(tasks: Sequence[Callable[[], None]], jobs: int, clean_up_s: float = CLEAN_UP_S) -> None:
    """Run `tasks`, begun in their order, at most `jobs` at the same time; return when all have ended.

    If one raises, the others are interrupted, and then its exception is raised here: KeyboardInterrupt is raised in
    their threads, so that each cleans up as it does after Ctrl-C, and no process that they started is left. A
    KeyboardInterrupt here, in the main thread, does the same. clean_up_s: how long each may take for that.
    """
    waiting = deque(tasks)
    others = started()
    ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def work() -> None:
        try:
            while (task := _take(waiting)) is not None:
                task()
            ended.put(None)
        except BaseException as why:  # noqa: BLE001 - raised again by `run_in_parallel`
            ended.put(why)

    # Daemons, because the tool must be able to exit even if one of them hangs.
    threads = [
        threading.Thread(target=work, name=f"worker-{number}", daemon=True) for number in range(min(jobs, len(tasks)))
    ]
    try:
        for thread in threads:
            thread.start()
        failure = _wait(ended, len(threads))
    except BaseException:
        _end(waiting, threads, others, clean_up_s)
        raise
    if failure is not None:
        _end(waiting, threads, others, clean_up_s)
        raise failure


def _take(waiting: deque[Callable[[], None]]) -> Callable[[], None] | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _wait(ended: SimpleQueue[BaseException | None], count: int) -> BaseException | None:
    """Wait until `count` threads have ended, or one has failed; return its exception."""
    for _ in range(count):
        failure = ended.get()
        if failure is not None:
            return failure
    return None


def _end(
    waiting: deque[Callable[[], None]],
    threads: Sequence[threading.Thread],
    others: Sequence[Process],
    clean_up_s: float,
) -> None:
    """Interrupt the tasks, then stop their processes: all but `others`, which were there before."""
    # A task whose clean-up fails ends with its own error instead of the interruption: no further task may start then.
    waiting.clear()
    for thread in threads:
        if thread.is_alive() and thread.ident is not None:
            # Python delivers signals to the main thread only; its C API interrupts other threads in this way. A thread
            # that sleeps or waits in C notices it when the call returns.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt)
            )
    _join(threads, clean_up_s)
    stop_all([process for process in started() if process not in others])
    _join(threads, 1.0)


def _join(threads: Sequence[threading.Thread], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
