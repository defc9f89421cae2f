"""Tasks in several threads at once that an interruption of the tool ends."""

from __future__ import annotations

import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from cutover_harness.processes import Process, started, stop_all

CLEAN_UP_S = 15.0
"""How long interrupted tasks may take to stop what they started, before it is stopped for them."""


def run_at_once(tasks: Sequence[Callable[[], None]], jobs: int) -> None:
    """Run `tasks`, begun in their order, at most `jobs` at the same time; return when all have ended.

    What one raises is raised here, once the others are ended as well: KeyboardInterrupt is raised in their threads, so
    that each cleans up as it would at a Ctrl-C, and then no process that they started is left. A KeyboardInterrupt
    here, in the main thread, does the same.
    """
    waiting = deque(tasks)
    others = started()
    ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def work() -> None:
        try:
            while (task := _take(waiting)) is not None:
                task()
            ended.put(None)
        except BaseException as why:  # noqa: BLE001 - raised again by whoever waits for the tasks
            ended.put(why)

    # Daemons, as the tool must be able to end although one of them is stuck.
    threads = [
        threading.Thread(target=work, name=f"worker-{number}", daemon=True) for number in range(min(jobs, len(tasks)))
    ]
    try:
        for thread in threads:
            thread.start()
        failure = _wait(ended, len(threads))
    except BaseException:
        _end(waiting, threads, others)
        raise
    if failure is not None:
        _end(waiting, threads, others)
        raise failure


def _take(waiting: deque[Callable[[], None]]) -> Callable[[], None] | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _wait(ended: SimpleQueue[BaseException | None], count: int) -> BaseException | None:
    """Return when `count` have ended well, or the first has not."""
    for _ in range(count):
        failure = ended.get()
        if failure is not None:
            return failure
    return None


def _end(waiting: deque[Callable[[], None]], threads: Sequence[threading.Thread], others: Sequence[Process]) -> None:
    """Interrupt the tasks, then stop what they started: all processes but `others`, which were there before."""
    # A task whose clean-up fails ends with an error of its own instead of the interruption: no other one may follow.
    waiting.clear()
    for thread in threads:
        if thread.is_alive() and thread.ident is not None:
            # Python delivers signals to the main thread alone; this is how its C API interrupts another one. A thread
            # that sleeps or waits in C notices when it is back.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt)
            )
    _join(threads, CLEAN_UP_S)
    stop_all([process for process in started() if process not in others])
    _join(threads, 1.0)


def _join(threads: Sequence[threading.Thread], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
