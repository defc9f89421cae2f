"""Records whose position in the capture is not certain yet, as slower partitions may have earlier ones."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cutover_harness.capture.columns import Chunk


class _Part(NamedTuple):
    """Records with their due times: all of them, the first and the last."""

    chunk: Chunk
    due: NDArray[np.int64]
    first: int
    last: int
    bytes: int

    @classmethod
    def of(cls, chunk: Chunk) -> Self:
        due = chunk.due
        return cls(chunk, due, int(due.min()), int(due.max()), chunk.bytes)

    def bytes_upto(self, upto: int) -> int:
        return self.bytes if self.last <= upto else self.bytes * int((self.due <= upto).sum()) // len(self.due)

    def split(self, upto: int) -> tuple[Chunk, Chunk]:
        """Return the records due at `upto` or before, and the others; without copying if they are in order."""
        now = self.due <= upto
        count = int(now.sum())
        if now[:count].all():
            return self.chunk.slice(0, count), self.chunk.slice(count, len(now))
        return self.chunk.where(now), self.chunk.where(~now)


class Pool:
    """Takes records in chunks and returns them by due time. `bytes`: size of its records."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self.bytes = 0

    def add(self, chunk: Chunk) -> None:
        """Add one or more records."""
        self._keep(_Part.of(chunk))

    def due(self, upto: int) -> int:
        """Return the approximate size in bytes of the records due at `upto` (ms) or before."""
        return sum(part.bytes_upto(upto) for part in self._parts if part.first <= upto)

    def middle(self) -> int:
        """Return a due time (ms) up to which about half of the bytes are due; the pool must not be empty."""
        due = np.concatenate([part.due for part in self._parts])
        sizes = np.repeat([part.bytes / len(part.due) for part in self._parts], [len(p.due) for p in self._parts])
        order = np.argsort(due)
        ends = np.cumsum(sizes[order])
        return int(due[order[int(np.searchsorted(ends, ends[-1] / 2))]])

    def take(self, upto: int | None) -> list[Chunk]:
        """Remove and return the records due at `upto` (ms) or before, None: all; in no particular order."""
        parts, self._parts, self.bytes = self._parts, [], 0
        taken: list[Chunk] = []
        for part in parts:
            if upto is None or part.last <= upto:
                taken.append(part.chunk)
            elif part.first > upto:
                self._keep(part)
            else:
                now, later = part.split(upto)
                taken.append(now)
                self.add(later)
        return taken

    def _keep(self, part: _Part) -> None:
        self._parts.append(part)
        self.bytes += part.bytes
