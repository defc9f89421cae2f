"""What was read of one log and is not compared yet. Pure."""

from __future__ import annotations

from collections import deque

from cutover_harness.verify.rows import Entry, Row, entry


class Ahead:
    """What was read of one log and is not compared yet: entries first, then rows."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.offsets: list[int] = []
        self.rows: list[Row] = []
        self.at = 0
        self.ended = False

    def __len__(self) -> int:
        return len(self.entries) + len(self.rows) - self.at

    def feed(self, offsets: list[int], rows: list[Row]) -> None:
        """Append rows."""
        if self.at == len(self.rows):
            self.offsets, self.rows, self.at = offsets, rows, 0
        else:
            self.offsets, self.rows = self.offsets[self.at :] + offsets, self.rows[self.at :] + rows
            self.at = 0

    def digest(self, count: int) -> None:
        """Turn rows into entries until there are `count` of them."""
        end = min(len(self.rows), self.at + count - len(self.entries))
        if end > self.at:
            self.entries.extend(map(entry, self.offsets[self.at : end], self.rows[self.at : end]))
            self.at = end
            if self.at == len(self.rows):
                self.offsets, self.rows, self.at = [], [], 0

    def clear(self) -> None:
        """Forget all."""
        self.entries.clear()
        self.offsets, self.rows, self.at = [], [], 0

    @property
    def next(self) -> int | None:
        """The offset of the first record, None if there is none."""
        if self.entries:
            return self.entries[0].offset
        return self.offsets[self.at] if self.at < len(self.offsets) else None
