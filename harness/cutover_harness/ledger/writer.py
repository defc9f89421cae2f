"""The writing side of the ledger: a memory-mapped journal that survives a kill of the process."""

import base64
import contextlib
import json
import mmap
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.ledger.columns import Array
from cutover_harness.ledger.errors import LedgerError
from cutover_harness.ledger.format import (
    ABORTED,
    ACKED,
    ASSIGNED,
    COMMITTED,
    DELIVERED,
    FAILED,
    HEADER,
    HEADER_SIZE,
    JOURNAL,
    MAX_TOPICS,
    META,
    NAMES,
    NO_OFFSET,
    NO_SEQUENCE,
    REVOKED,
    ROW,
    ROW_DTYPE,
    SENT,
    VERSION,
)
from cutover_harness.ledger.identity import to_bytes

_FIRST_CHUNK = 1 << 18
_LAST_CHUNK = 1 << 26


class LedgerWriter:
    """Appends the events of one process, under 3 microseconds each, to a new ledger in `folder`.

    An event whose method has returned is in the file, whatever happens to the process (the page cache outlives it; a
    power cut is another matter). `cluster` is 0 for the source, 1 for the target, 255 for unknown; `offset` -1 and
    `sequence` -1 mean unknown and none. Several threads may append. Many events in one call take a tenth of the time.

    topics: what a consumer subscribes to: a judge has to know what it should have had even if it was delivered nothing.

    Raises LedgerError if the folder holds a ledger already, as a restarted process keeps one of its own, and if a file
    cannot be written; the events until then are in the ledger.
    """

    def __init__(
        self,
        folder: Path,
        *,
        instance: str,
        role: Literal["producer", "consumer"],
        group: str | None,
        run: int,
        isolation: Literal["read_committed", "read_uncommitted"] = "read_committed",
        identity: Literal["header", "fingerprint"] = "header",
        topics: Iterable[str] | None = None,
    ) -> None:
        self._folder = folder
        with self._writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._meta: dict[str, object] = {
            "format": VERSION,
            "instance": instance,
            "role": role,
            "group": group,
            "run": run,
            "isolation": isolation,
            "identity": identity,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "closed": False,
        }
        if topics is not None:
            self._meta["topics"] = [topic for topic in topics if not topic.startswith("^")]  # names, no patterns
        try:
            with self._writing(folder / JOURNAL):
                self._file = os.open(folder / JOURNAL, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                os.posix_fallocate(self._file, 0, _FIRST_CHUNK)
                os.pwrite(self._file, HEADER, 0)
        except FileExistsError:
            raise LedgerError(f"{folder}: contains a ledger already; give every process its own folder") from None
        self._map = mmap.mmap(self._file, _FIRST_CHUNK)
        self._size = _FIRST_CHUNK
        self._end = HEADER_SIZE
        with self._writing(folder / NAMES):
            self._names = os.open(folder / NAMES, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._topics: dict[str, int] = {}
        self._streams: set[int] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._write_meta()

    def sent(self, topic: str, partition: int, stream: int, sequence: int, cluster: int) -> None:
        """Append: the record was passed to the client."""
        self._append(NO_OFFSET, sequence, stream, partition, topic, cluster, SENT)

    def acked(self, topic: str, partition: int, offset: int, stream: int, sequence: int, cluster: int) -> None:
        """Append: the record was acknowledged; in a transaction, call it after the commit."""
        self._append(offset, sequence, stream, partition, topic, cluster, ACKED)

    def failed(self, topic: str, partition: int, stream: int, sequence: int, cluster: int) -> None:
        """Append: the client reported an error for the record, which may be in the log nevertheless."""
        self._append(NO_OFFSET, sequence, stream, partition, topic, cluster, FAILED)

    def aborted(
        self, topic: str, partition: int, stream: int, sequence: int, cluster: int, offset: int = NO_OFFSET
    ) -> None:
        """Append: the record's transaction was aborted."""
        self._append(offset, sequence, stream, partition, topic, cluster, ABORTED)

    def delivered(self, topic: str, partition: int, offset: int, stream: int, sequence: int, cluster: int) -> None:
        """Append: the application got the record; sequence -1 for one without an identity of this run."""
        self._append(offset, sequence, stream, partition, topic, cluster, DELIVERED)

    def committed(self, topic: str, partition: int, offset: int, cluster: int) -> None:
        """Append: the group's position was committed; `offset` is the next one to read."""
        self._append(offset, NO_SEQUENCE, 0, partition, topic, cluster, COMMITTED)

    def assigned(self, topic: str, partition: int, cluster: int) -> None:
        """Append: the partition was assigned to this process."""
        self._append(NO_OFFSET, NO_SEQUENCE, 0, partition, topic, cluster, ASSIGNED)

    def revoked(self, topic: str, partition: int, cluster: int) -> None:
        """Append: the partition was revoked from this process."""
        self._append(NO_OFFSET, NO_SEQUENCE, 0, partition, topic, cluster, REVOKED)

    def name_stream(self, stream: int, topic: str, key: bytes | str | None, partition: int) -> None:
        """Store the stream's key for reports. A repeated call costs a look-up."""
        if stream in self._streams:
            return
        self._streams.add(stream)
        coded = None if key is None else base64.b64encode(to_bytes(key)).decode()
        self._write_name({"stream": f"{stream:016x}", "topic": topic, "key": coded, "partition": partition})

    def topic_number(self, topic: str) -> int:
        """Return the topic's number in this ledger's rows."""
        code = self._topics.get(topic)
        return self._name_topic(topic) if code is None else code

    def append_rows(self, rows: Array, event: int) -> int:
        """Append an event for each of `rows` (of ROW_DTYPE, topics by `topic_number`); return the first position.

        Fills in event and time, in `rows` too. If it is killed in between, the first of them count.
        """
        rows["time_ns"] = time.time_ns()
        rows["event"] = 0
        with self._lock:
            place = self._end
            end = place + rows.nbytes
            if end > self._size:
                self._grow(end)
            self._end = end
            written = np.frombuffer(self._map, ROW_DTYPE, len(rows), place)
            written[:] = rows
            written["event"] = event  # last, as in a single row
            del written  # the map cannot grow while an array refers to it
        rows["event"] = event
        return place

    def set_cluster(self, place: int, count: int, cluster: int) -> None:
        """Correct the cluster of `count` rows from `place` (of `append_rows`) on."""
        with self._lock:
            np.frombuffer(self._map, ROW_DTYPE, count, place)["cluster"] = cluster

    def close(self) -> None:
        """Cut the journal to its content and mark the ledger as cleanly closed. Closing again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._map.close()
        os.ftruncate(self._file, self._end)
        os.close(self._file)
        os.close(self._names)
        self._meta |= {"closed": True, "rows": (self._end - HEADER_SIZE) // ROW.size}
        self._write_meta()

    def _append(
        self, offset: int, sequence: int, stream: int, partition: int, topic: str, cluster: int, event: int
    ) -> None:
        code = self._topics.get(topic)
        if code is None:
            code = self._name_topic(topic)
        with self._lock:
            place = self._end
            end = place + ROW.size
            if end > self._size:
                self._grow(end)
            self._end = end
            ROW.pack_into(self._map, place, offset, sequence, stream, time.time_ns(), partition, code, cluster, event)

    def _grow(self, end: int) -> None:
        """Make room up to `end`; the caller has the lock."""
        while end > self._size:
            step = min(self._size, _LAST_CHUNK)
            # Reserved, not sparse: a full disk raises OSError here instead of SIGBUS at a later write.
            with self._writing(self._folder / JOURNAL):
                os.posix_fallocate(self._file, self._size, step)
            self._size += step
        self._map.resize(self._size)

    def _name_topic(self, topic: str) -> int:
        with self._lock:
            code = self._topics.get(topic)
            if code is None:
                code = len(self._topics)
                if code == MAX_TOPICS:
                    raise LedgerError(f"{self._folder}: more than {MAX_TOPICS} topics in one process")
                self._write_name({"topic": code, "name": topic})  # before any row that uses the number
                self._topics[topic] = code
            return code

    def _write_name(self, entry: dict[str, object]) -> None:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self._writing(self._folder / NAMES):
            while line:  # a disk that is nearly full takes a part
                line = line[os.write(self._names, line) :]

    def _write_meta(self) -> None:
        with self._writing(self._folder / META):
            write_atomic(self._folder / META, json.dumps(self._meta) + "\n", mode=PRIVATE)

    @staticmethod
    @contextlib.contextmanager
    def _writing(file: Path) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise
        except OSError as why:
            raise LedgerError(f"ledger {file}: cannot be written: {why.strerror}: make room, then run again") from why
