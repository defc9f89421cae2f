"""Sets of offsets: bits for dense ranges, numbers for sparse ones: small in any case."""

from collections.abc import Iterator

import numpy as np

from cutover_harness.judge.runs import run_heads
from cutover_harness.ledger.columns import Array, Int64, Mask

CHUNK = 1 << 18
#: From so many offsets in it on a chunk is kept as bits: 32 bytes an offset at worst, and an eighth of one at best.
DENSE = 1 << 10
_NONE = np.empty(0, np.int64)


class OffsetSet:
    """A set of offsets >= 0 of one partition's log. Read `few` before `chunks`: it sorts out what was added.

    chunks: bits of each 262,144 offsets of which 1,024 and more are in the set, in 32 KiB. few: all others, ascending.
    So a set takes 32 bytes an offset at the most, also if every one lies a million from the next.
    """

    __slots__ = ("_added", "_few", "_waiting", "chunks")

    def __init__(self) -> None:
        self.chunks: dict[int, Array] = {}
        self._few = _NONE
        self._waiting: list[Int64] = []
        self._added = 0

    @property
    def few(self) -> Int64:
        """The offsets that are in no chunk; ascending."""
        if self._waiting:
            self._settle()
        return self._few

    def add(self, offsets: Int64) -> None:
        """Add offsets in any order; negative ones (unknown) are left out."""
        if not len(offsets):
            return
        low, high = int(offsets.min()), int(offsets.max())
        if low < 0:
            self.add(offsets[offsets >= 0])
            return
        first, last = low // CHUNK, high // CHUNK
        if len(offsets) >= 4 * DENSE and last - first <= max(4, 8 * len(offsets) // CHUNK):
            bits = np.zeros((last - first + 1) * CHUNK, np.bool_)
            bits[offsets - first * CHUNK] = True
            for i, packed in enumerate(np.packbits(bits.reshape(-1, CHUNK), axis=1)):
                self._or(first + i, packed)
            return
        self._waiting.append(np.array(offsets, np.int64))
        self._added += len(offsets)
        if self._added > max(len(self._few), 4 * DENSE):  # each offset is sorted a few times, not once for each call
            self._settle()

    def merge(self, other: "OffsetSet") -> None:
        """Add all offsets of another set."""
        self.add(other.few)
        for number, packed in other.chunks.items():
            self._or(number, packed)

    def add_between(self, low: int, high: int) -> None:
        """Add all offsets in `[low, high)`."""
        if high - low < 4 * DENSE:
            self.add(np.arange(max(0, low), high))
            return
        for number in range(low // CHUNK, (high - 1) // CHUNK + 1):
            bits = np.zeros(CHUNK, np.bool_)
            bits[max(0, low - number * CHUNK) : high - number * CHUNK] = True
            self._or(number, np.packbits(bits))

    def intervals(self) -> tuple[Int64, Int64]:
        """Return the least and the greatest offset of each gapless stretch; ascending, shape (stretches,) both."""
        few = self.few
        lows, highs = [few], [few]
        for number, packed in self.chunks.items():
            edges = np.diff(np.unpackbits(packed).view(np.int8), prepend=np.int8(0), append=np.int8(0))
            lows.append(np.flatnonzero(edges == 1) + number * CHUNK)
            highs.append(np.flatnonzero(edges == -1) + (number * CHUNK - 1))
        low, high = np.sort(np.concatenate(lows)), np.sort(np.concatenate(highs))
        apart = low[1:] != high[:-1] + 1
        return low[np.append(len(low) > 0, apart)[: len(low)]], high[np.append(apart, True)[: len(high)]]

    def minus(self, other: "OffsetSet") -> "OffsetSet":
        """Return the offsets that the other set does not hold."""
        result = OffsetSet()
        result._few = self.few[~other.holds(self.few)]
        for number, packed in self.chunks.items():
            left = packed & ~other.chunks[number] if number in other.chunks else packed
            result.chunks[number] = left & ~_bits(number, other.few)
        return result

    def between(self, low: int, high: int) -> "OffsetSet":
        """Return the offsets in `[low, high)`."""
        result = OffsetSet()
        few = self.few
        result._few = few[(few >= low) & (few < high)]
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

    def holds(self, offsets: Int64) -> Mask:
        """Return which of some ascending offsets are in the set."""
        found = np.isin(offsets, self.few, assume_unique=True)
        for number in np.unique(offsets // CHUNK).tolist():
            if number in self.chunks:
                start, end = np.searchsorted(offsets, (number * CHUNK, (number + 1) * CHUNK)).tolist()
                found[start:end] |= np.unpackbits(self.chunks[number])[offsets[start:end] % CHUNK].astype(np.bool_)
        return found

    def __len__(self) -> int:
        return len(self.few) + sum(int(np.bitwise_count(packed).sum()) for packed in self.chunks.values())

    def __contains__(self, offset: int) -> bool:
        return bool(self.holds(np.array([offset]))[0])

    def __iter__(self) -> Iterator[int]:
        few = self.few
        parts = [np.flatnonzero(np.unpackbits(packed)) + number * CHUNK for number, packed in self.chunks.items()]
        yield from np.sort(np.concatenate([few, *parts])).tolist()

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The lowest and the highest offset, None for an empty set."""
        edges = self.few[[0, -1]].tolist() if len(self.few) else []
        filled = sorted(number for number, packed in self.chunks.items() if packed.any())
        if filled:
            edges.append(filled[0] * CHUNK + _edge(self.chunks[filled[0]]))
            edges.append(filled[-1] * CHUNK + CHUNK - 1 - _edge(self.chunks[filled[-1]], last=True))
        return (min(edges), max(edges)) if edges else None

    def _settle(self) -> None:
        """Put added offsets into a chunk if there are enough for one, and the rest among the few."""
        ordered = np.unique(np.concatenate([self._few, *self._waiting]))
        self._waiting, self._added, self._few = [], 0, _NONE
        number = ordered // CHUNK
        heads = run_heads(number)
        ends = np.append(heads[1:], len(ordered))
        dense = (ends - heads >= DENSE) | np.isin(number[heads], list(self.chunks))
        stays = np.ones(len(ordered), np.bool_)
        for start, end in zip(heads[dense].tolist(), ends[dense].tolist(), strict=True):
            self._or(int(number[start]), _packed(ordered[start:end]))
            stays[start:end] = False
        self._few = ordered[stays]

    def _or(self, number: int, packed: Array) -> None:
        present = self.chunks.get(number)
        if present is None:
            if packed.any():
                self.chunks[number] = packed.copy()
                if len(self._few):
                    self._waiting.append(_NONE)  # some of the few may be of this chunk now
        else:
            self.chunks[number] = present | packed


def _bits(number: int, offsets: Int64) -> Array:
    """Return the bits of a chunk for those of some ascending offsets that are in it."""
    start, end = np.searchsorted(offsets, (number * CHUNK, (number + 1) * CHUNK)).tolist()
    return _packed(offsets[start:end])


def _packed(offsets: Int64) -> Array:
    """Return the bits of offsets that are all in one chunk."""
    bits = np.zeros(CHUNK, np.bool_)
    bits[offsets % CHUNK] = True
    return np.packbits(bits)


def _edge(packed: Array, *, last: bool = False) -> int:
    """Return how many bits are clear before the first one that is set, or after the last one."""
    from_edge = packed[::-1] if last else packed
    place = int((from_edge != 0).argmax())
    bits = np.unpackbits(from_edge[place])
    return place * 8 + int((bits[::-1] if last else bits).argmax())
