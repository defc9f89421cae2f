"""Starts the workers, gives them pieces, and passes on what they report."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from multiprocessing import Pipe
from multiprocessing.connection import wait

from cutover_harness.verify.reader import ReadError
from cutover_harness.verify.worker import Begin, Report, Work

_ALONE = 50_000_000
"""Bytes a second that one worker surely reads: with a lower limit there is one."""
_MOST = 4
_END_S = 5.0
# Imported, not run as a module: otherwise what it sends would be of classes of another name.
_PROGRAM = "from cutover_harness.verify.worker import main; main()"


class WorkerError(Exception):
    """A defect, with the traceback of the worker."""


def how_many(pieces: int, rate: float | None, wanted: int | None = None) -> int:
    """Return how many workers to start: one for each core, four at most, and no more than pieces."""
    if wanted is None:
        wanted = 1 if rate is not None and rate < _ALONE else min(_MOST, len(os.sched_getaffinity(0)))
    return max(1, min(wanted, pieces))


def run(
    source: Mapping[str, str],
    target: Mapping[str, str],
    work: Iterable[Work],
    *,
    workers: int,
    rate: float | None,
    heard: Callable[[Report], None],
    tick: Callable[[], None],
) -> None:
    """Have all pieces compared. `heard` gets each report, `tick` is called a few times a second.

    Raises ReadError if a cluster refuses or does not answer, WorkerError for a defect.
    """
    left = deque(work)
    started: list[_Worker] = []
    try:
        for _ in range(workers):
            its = _Worker(Begin(source, target, None if rate is None else rate / workers))
            started.append(its)
            its.give(left)
        while any(its.busy for its in started):
            ready = wait([its.connection for its in started if its.busy], timeout=0.25)
            for its in started:
                if its.connection in ready:
                    report = its.receive()
                    heard(report)
                    if report.failure is not None:
                        raise ReadError(report.failure)
                    if report.defect is not None:
                        raise WorkerError(report.defect)
                    if report.result is not None:
                        its.give(left)
            tick()
    finally:
        for its in started:
            its.end()


class _Worker:
    def __init__(self, begin: Begin) -> None:
        self.connection, theirs = Pipe()
        self.busy = False
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self.connection.send(begin)

    def give(self, left: deque[Work]) -> None:
        self.busy = bool(left)
        if left:
            self.connection.send(left.popleft())

    def receive(self) -> Report:
        try:
            found = self.connection.recv()
        except (EOFError, OSError):
            code = self._process.wait(_END_S)
            raise ReadError(f"a worker ended unexpectedly with code {code}: repeat with --resume") from None
        assert isinstance(found, Report)  # noqa: S101 - workers send nothing else
        return found

    def end(self) -> None:
        self.connection.close()
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
