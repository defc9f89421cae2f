"""The writing half of a recording: a thread compresses and writes while the next records are read."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

from cutover_harness.capture.columns import DUE, Chunk, row_groups
from cutover_harness.capture.parts import Parts, State

_CHECKPOINT_S = 1.0
GROUP_ROWS = 65_536
GROUP_BYTES = 16 << 20


class Rows(NamedTuple):
    """Records that are due after all earlier ones and before all later ones.

    `earlier`: whether some of an earlier sitting are still to come.
    """

    chunks: Sequence[Chunk]
    earlier: bool


class Output:
    """Writes `Rows` to this sitting's file, and about once per second the state up to them.

    `finish()` makes it the capture; leaving the context without it, --resume can continue from all written rows.
    """

    def __init__(self, parts: Parts, state: State) -> None:
        self._parts = parts
        self._state = state
        self._writer = parts.writer(state)
        # One row group is built, one written, and one queued, so that neither thread waits.
        self._queue: queue.Queue[Rows | None] = queue.Queue(maxsize=1)
        self._error: BaseException | None = None
        self._bytes = 0
        self._uncounted = False
        self._earlier = state.earlier
        self._thread = threading.Thread(target=self._write, name="capture-writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._writer.keep()

    def put(self, rows: Rows) -> None:
        """Queue `rows` for writing. Raises the error of earlier ones."""
        self._queue.put(rows)
        if self._error is not None:
            raise self._error

    def finish(self) -> int:
        """Turn the written rows into the capture and return its number of records. Raises CaptureError."""
        self._end()
        if self._error is not None:
            raise self._error
        return self._parts.finish(self._state, self._writer)

    def _end(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _write(self) -> None:
        """Body of the thread: write until None comes; after an error, only empty the queue."""
        saved = time.monotonic()
        more = True
        while more:
            try:
                rows = self._queue.get(timeout=_CHECKPOINT_S)
            except queue.Empty:
                rows = None
            else:
                more = rows is not None
            if self._error is not None:
                continue
            try:
                if rows is not None:
                    self._take(rows)
                if not more or time.monotonic() - saved > _CHECKPOINT_S:
                    self._checkpoint()
                    saved = time.monotonic()
            except Exception as why:  # noqa: BLE001 - raised again in the reading thread
                self._error = why

    def _take(self, rows: Rows) -> None:
        for group in row_groups(rows.chunks, GROUP_ROWS, GROUP_BYTES):
            self._writer.write(group.drop_columns([DUE]))
            self._bytes += sum(pc.sum(pc.binary_length(group.column(name))).as_py() or 0 for name in ("key", "value"))
            self._reach(group)
        self._uncounted, self._earlier = True, rows.earlier

    def _reach(self, group: pa.Table) -> None:
        """Update the progress of each partition."""
        last = group.group_by(["topic", "partition"]).aggregate([("offset", "max"), (DUE, "max")]).to_pylist()
        for each in last:
            progress = self._state.partitions.get(each["topic"], {}).get(str(each["partition"]))
            if progress is not None:  # otherwise a topic of an earlier sitting
                progress.next = max(progress.next, each["offset_max"] + 1)
                progress.largest = max(progress.largest, each[f"{DUE}_max"])

    def _checkpoint(self) -> None:
        """Save the state of all that is written, unless it lacks records of the earlier sitting."""
        if not self._uncounted or self._earlier:
            return
        self._uncounted = False
        state = self._state
        state.length, state.earlier = self._writer.checkpoint(), False
        state.records, state.bytes = self._writer.records, self._bytes
        self._parts.save(state)
        self._parts.drop_earlier(state)
