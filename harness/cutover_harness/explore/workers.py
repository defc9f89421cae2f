"""Searches in processes of their own, one for each core."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from cutover_harness.errors import UsageError
from cutover_harness.words import counted

Item = TypeVar("Item")
Found = TypeVar("Found")
Note = Callable[[str], None]
Search = Callable[[Any, Note], Any]
_NOTE, _FOUND, _RAISED = "note", "found", "raised"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(
    search: Callable[[Item, Note], Found], items: Sequence[Item], *, jobs: int, note: Note, what: str
) -> Iterator[tuple[Item, Found]]:
    """Return what `search` finds for each item, in the items' order.

    search: a function of a module, which is called with an item and a function for progress. note: gets the progress,
    and after each item how many are done. what: the items' name, such as `path`. The items at the end are begun first,
    so that a long one does not come last. Raises what `search` raises.
    """
    if jobs < 2 or len(items) < 2:
        for done, item in enumerate(items, start=1):
            result = search(item, note)
            _report(done, len(items), what, note)
            yield item, result
        return
    left, given, done = list(range(len(items))), 0, 0
    found: dict[int, Found] = {}
    workers = [_Worker(search) for _ in range(min(jobs, len(items)))]
    try:
        for worker in workers:
            worker.give(items, left)
        while given < len(items):
            while given in found:
                yield items[given], found.pop(given)
                given += 1
            busy = {worker.connection: worker for worker in workers if worker.at is not None}
            for connection in wait(list(busy)) if busy else ():
                worker = busy[connection]  # type: ignore[index]
                kind, value = worker.receive()
                if kind == _NOTE:
                    note(value)
                else:
                    found[worker.at or 0] = value
                    done += 1
                    _report(done, len(items), what, note)
                    worker.give(items, left)
    finally:
        for worker in workers:
            worker.end()


def _report(done: int, of: int, what: str, note: Note) -> None:
    if of > 1:
        note(f"{done} of {counted(of, what)} done")


class _Worker:
    def __init__(self, search: Search) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.at: int | None = None
        """The position of its item, None if it has none."""
        self._process = context.Process(target=_work, args=(theirs, search), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, items: Sequence[Any], left: list[int]) -> None:
        """Give it the last item that is left, if there is one."""
        self.at = left.pop() if left else None
        if self.at is not None:
            self.connection.send(items[self.at])

    def receive(self) -> tuple[str, Any]:
        """Return what it has sent. Raises what its search has raised."""
        try:
            kind, value = self.connection.recv()
        except EOFError:
            raise UsageError(
                "the process of a search has ended: give it more memory, or fewer --jobs or --states"
            ) from None
        if kind == _RAISED:
            raise value
        return kind, value

    def end(self) -> None:
        """End it, whatever it does."""
        self.connection.close()
        self._process.terminate()
        self._process.join()


def _work(connection: Connection, search: Search) -> None:
    """Search until the other end is closed, also by a tool that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tool ends us
    try:
        while True:
            item = connection.recv()
            try:
                found = search(item, lambda words: connection.send((_NOTE, words)))
            except OSError:
                raise
            except Exception as why:  # noqa: BLE001 - raised again by the tool
                connection.send((_RAISED, why))
            else:
                connection.send((_FOUND, found))
    except (EOFError, OSError):
        return
