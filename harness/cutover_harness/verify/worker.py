"""A process that compares pieces. Its argument is the file descriptor of a connection.

It receives the clusters' properties and pieces, and sends reports. It ends when the connection does.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection

from confluent_kafka import KafkaException

from cutover_harness.errors import in_one_line
from cutover_harness.token_bucket import TokenBucket
from cutover_harness.verify.piece import Checkpoint, Piece, PieceResult
from cutover_harness.verify.piece_walk import PieceWalk
from cutover_harness.verify.reader import Chunk, Reader, ReadError

_REPORT_S, _CHECKPOINT_S = 0.25, 1.0
_LEAST_FETCH, _FETCH = 64 << 10, 2 << 20


@dataclass(frozen=True)
class Begin:
    """What a worker needs first. `rate`: bytes of values a second that it may read, from both clusters together."""

    source: Mapping[str, str]
    target: Mapping[str, str]
    rate: float | None


@dataclass(frozen=True)
class Work:
    """A piece to compare, from its checkpoint on if there is one."""

    piece: Piece
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True)
class Report:
    """What a worker has read since its last report; with `result`, `failure` or `defect` the piece has ended.

    `failure`: a cluster refuses or does not answer. `defect`: the traceback of any other error.
    """

    number: int
    records: int
    bytes: int
    checkpoint: Checkpoint | None = None
    result: PieceResult | None = None
    failure: str | None = None
    defect: str | None = None


class _Progress:
    """Sends what was read, a few times a second."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection, self._number = connection, number
        self._records = self._bytes = 0
        self._next = time.monotonic() + _REPORT_S
        self._checkpoint_at = time.monotonic() + _CHECKPOINT_S
        self.checkpoint: Callable[[], Checkpoint | None] = lambda: None

    def __call__(self, records: int, size: int) -> None:
        self._records += records
        self._bytes += size
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _REPORT_S
        found = None
        if now >= self._checkpoint_at:
            found = self.checkpoint()
            self._checkpoint_at = now + _CHECKPOINT_S
        self._connection.send(Report(self._number, self._records, self._bytes, found))
        self._records = self._bytes = 0

    def end(self, *, result: PieceResult | None = None, failure: str | None = None, defect: str | None = None) -> None:
        self._connection.send(Report(self._number, self._records, self._bytes, None, result, failure, defect))


def work(connection: Connection) -> None:
    """Compare pieces until the connection ends."""
    begin: Begin = connection.recv()
    ahead = None if begin.rate is None else int(min(_FETCH, max(_LEAST_FETCH, begin.rate / 8)))
    bucket = TokenBucket(begin.rate)
    with (
        Reader(begin.source, "source", ahead_bytes=ahead) as source,
        Reader(begin.target, "target", ahead_bytes=ahead) as target,
    ):
        while True:
            its: Work = connection.recv()
            progress = _Progress(connection, its.piece.number)
            try:
                result = _compare(its, source, target, bucket, progress)
            except (ReadError, KafkaException) as error:
                progress.end(failure=in_one_line(error))
            except (EOFError, OSError):
                raise
            except Exception:  # noqa: BLE001 - the process that started this one reports it
                progress.end(defect=traceback.format_exc())
            else:
                progress.end(result=result)


def _compare(its: Work, source: Reader, target: Reader, bucket: TokenBucket, progress: _Progress) -> PieceResult:
    walk = PieceWalk(its.piece, source, target, bucket=bucket, report=progress, checkpoint=its.checkpoint)
    progress.checkpoint = walk.checkpoint
    result = walk.run()
    if result is not None:
        return result

    def read(reader: Reader) -> Chunk:
        while (wait := bucket.wait_s) > 0:
            time.sleep(min(wait, 0.2))
        chunk = reader.read()
        bucket.take(chunk.bytes)
        progress(len(chunk.offsets), chunk.bytes)
        return chunk

    progress.checkpoint = lambda: None
    # Seldom needed, and it takes 60 MB: the mirror's package imports much.
    from cutover_harness.verify.by_keys import compare_by_keys  # noqa: PLC0415

    return compare_by_keys(its.piece, source, target, read)


def main() -> None:
    """Run a worker on the file descriptor of the command line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started it, which ends the connection
    try:
        work(Connection(int(sys.argv[1])))
    except (EOFError, OSError):
        # The other side has ended; clients need not say goodbye to the brokers.
        os._exit(0)
