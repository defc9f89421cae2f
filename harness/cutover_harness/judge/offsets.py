"""Sets of offsets: a bit an offset, in chunks, so that they are small, exact and merge in any order."""

from collections.abc import Iterator

import numpy as np

from cutover_harness.ledger.columns import Array, Int64

CHUNK = 1 << 18


class OffsetSet:
    """A set of offsets >= 0 of one partition's log; 32 KiB for each 262,144 offsets that hold any."""

    __slots__ = ("chunks",)

    def __init__(self) -> None:
        self.chunks: dict[int, Array] = {}

    def add(self, offsets: Int64) -> None:
        """Add offsets in any order; negative ones (unknown) are left out."""
        if not len(offsets):
            return
        low, high = int(offsets.min()), int(offsets.max())
        if low < 0:
            self.add(offsets[offsets >= 0])
            return
        first, last = low // CHUNK, high // CHUNK
        if last - first <= max(4, 8 * len(offsets) // CHUNK):
            bits = np.zeros((last - first + 1) * CHUNK, np.bool_)
            bits[offsets - first * CHUNK] = True
            for i, packed in enumerate(np.packbits(bits.reshape(-1, CHUNK), axis=1)):
                self._or(first + i, packed)
            return
        ordered = np.sort(offsets)
        edges = np.flatnonzero(np.diff(ordered // CHUNK)) + 1
        for part in np.split(ordered, edges):
            bits = np.zeros(CHUNK, np.bool_)
            bits[part % CHUNK] = True
            self._or(int(part[0]) // CHUNK, np.packbits(bits))

    def merge(self, other: "OffsetSet") -> None:
        """Add all offsets of another set."""
        for number, packed in other.chunks.items():
            self._or(number, packed)

    def minus(self, *others: "OffsetSet") -> "OffsetSet":
        """Return the offsets that none of the others holds."""
        result = OffsetSet()
        for number, packed in self.chunks.items():
            left = packed.copy()
            for other in others:
                if number in other.chunks:
                    left &= ~other.chunks[number]
            result.chunks[number] = left
        return result

    def between(self, low: int, high: int) -> "OffsetSet":
        """Return the offsets in `[low, high)`."""
        result = OffsetSet()
        for number, packed in self.chunks.items():
            start = number * CHUNK
            if start >= high or start + CHUNK <= low:
                continue
            if low <= start and start + CHUNK <= high:
                result.chunks[number] = packed
                continue
            bits = np.unpackbits(packed)
            bits[: max(0, low - start)] = 0
            bits[max(0, high - start) :] = 0
            result.chunks[number] = np.packbits(bits)
        return result

    def __len__(self) -> int:
        return sum(int(np.bitwise_count(packed).sum()) for packed in self.chunks.values())

    def __contains__(self, offset: int) -> bool:
        packed = self.chunks.get(offset // CHUNK)
        return packed is not None and bool(packed[offset % CHUNK >> 3] >> (7 - offset % 8) & 1)

    def __iter__(self) -> Iterator[int]:
        for number in sorted(self.chunks):
            yield from (np.flatnonzero(np.unpackbits(self.chunks[number])) + number * CHUNK).tolist()

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The lowest and the highest offset, None for an empty set."""
        filled = sorted(number for number, packed in self.chunks.items() if packed.any())
        if not filled:
            return None
        return (
            filled[0] * CHUNK + _edge(self.chunks[filled[0]]),
            filled[-1] * CHUNK + CHUNK - 1 - _edge(self.chunks[filled[-1]], last=True),
        )

    def _or(self, number: int, packed: Array) -> None:
        present = self.chunks.get(number)
        if present is None:
            if packed.any():
                self.chunks[number] = packed.copy()
        else:
            self.chunks[number] = present | packed


def _edge(packed: Array, *, last: bool = False) -> int:
    """Return how many bits are clear before the first one that is set, or after the last one."""
    from_edge = packed[::-1] if last else packed
    place = int((from_edge != 0).argmax())
    bits = np.unpackbits(from_edge[place])
    return place * 8 + int((bits[::-1] if last else bits).argmax())
