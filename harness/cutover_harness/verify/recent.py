"""Source records that were compared last, so that a copy of one of them is recognised. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from cutover_harness.verify.rows import Row, entry, size

RECORDS, BYTES = 20_000, 4 << 20
_EACH = 16


@dataclass
class _Chunk:
    offsets: list[int]
    digests: list[bytes]
    # Not digested yet: most are dropped without ever being needed.
    rows: list[Row] | None
    size: int
    indexed: bool = False


class Recent:
    """The last records by offset and digest; holds at most `RECORDS`, and about `BYTES` of rows."""

    def __init__(self) -> None:
        self.clear()

    def keep_rows(self, offsets: list[int], rows: list[Row]) -> None:
        """Append records that were compared as rows."""
        # The sizes of a few show those of all.
        self._append(_Chunk(offsets, [], rows, sum(map(size, rows[::_EACH])) * _EACH))

    def keep(self, offsets: list[int], digests: list[bytes]) -> None:
        """Append records that were compared by their digests."""
        self._append(_Chunk(offsets, digests, None, 0))

    def clear(self) -> None:
        """Forget all."""
        self._chunks: deque[_Chunk] = deque()
        self._records = self._bytes = 0
        self._known: dict[bytes, int] = {}
        self._new: deque[_Chunk] = deque()

    def offsets(self) -> dict[bytes, int]:
        """Return the offset of each digest."""
        while self._new:
            chunk = self._new.popleft()
            if chunk.rows is not None:
                chunk.digests = [entry(0, row).digest for row in chunk.rows]
                self._bytes -= chunk.size
                chunk.rows, chunk.size = None, 0
            self._known.update(zip(chunk.digests, chunk.offsets, strict=True))
            chunk.indexed = True
        return self._known

    def _append(self, chunk: _Chunk) -> None:
        self._chunks.append(chunk)
        self._new.append(chunk)
        self._records += len(chunk.offsets)
        self._bytes += chunk.size
        while len(self._chunks) > 1 and (self._records > RECORDS or self._bytes > BYTES):
            self._drop(self._chunks.popleft())

    def _drop(self, gone: _Chunk) -> None:
        self._records -= len(gone.offsets)
        self._bytes -= gone.size
        if not gone.indexed:
            self._new.popleft()  # chunks are indexed in order, so it is the first one
            return
        for digest, offset in zip(gone.digests, gone.offsets, strict=True):
            if self._known.get(digest) == offset:
                del self._known[digest]
