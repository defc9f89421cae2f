"""Sets of offsets: two numbers for a stretch without a gap, and bits where stretches are many: small in any case."""

from collections.abc import Iterator

import numpy as np

from cutover_harness.judge.runs import ascents, expanded, run_heads
from cutover_harness.ledger.columns import Array, Int64, Mask

CHUNK = 1 << 18
#: From so many stretches in it on a chunk is kept as bits: 32 bytes an offset at worst, and an eighth of one at best.
DENSE = 1 << 10
_NONE = np.empty(0, np.int64)
_MOST = int(np.iinfo(np.int64).max)

#: The first and the last offsets of some stretches, ascending and apart from each other; shape (stretches,) both.
Stretches = tuple[Int64, Int64]


class OffsetSet:
    """A set of offsets >= 0 of one partition's log.

    chunks: bits of each 262,144 offsets in which 1,024 and more stretches begin, in 32 KiB; stretches: all others. So a
    set takes 16 bytes a stretch where it has few, and 32 bytes an offset at the most.
    """

    __slots__ = ("_added", "_chunks", "_stretches", "_waiting")

    def __init__(self) -> None:
        self._chunks: dict[int, Array] = {}
        self._stretches: Stretches = (_NONE, _NONE)
        self._waiting: list[Stretches] = []
        self._added = 0

    @property
    def stretches(self) -> Stretches:
        """The stretches without a gap that are in no chunk."""
        if self._waiting:
            self._settle()
        return self._stretches

    @property
    def chunks(self) -> dict[int, Array]:
        """Bits by the number of the chunk."""
        if self._waiting:
            self._settle()
        return self._chunks

    def unsettled(self) -> tuple[list[Stretches], dict[int, Array]]:
        """Return stretches and chunks as they are, with offsets that may be in several."""
        return [self._stretches, *self._waiting], self._chunks

    def add(self, offsets: Int64) -> None:
        """Add offsets in any order; negative ones (unknown) are left out."""
        if not len(offsets):
            return
        begin = ascents(offsets)
        low, high = offsets[begin], offsets[np.append(begin[1:], len(offsets)) - 1]
        if low.min() < 0:
            some = high >= 0
            low, high = np.maximum(low[some], 0), high[some]
            offsets = offsets[offsets >= 0]
        if len(low) >= 4 * DENSE:
            first, last = int(low.min()) // CHUNK, int(high.max()) // CHUNK
            if last - first <= max(4, 8 * len(low) // CHUNK):
                bits = np.zeros((last - first + 1) * CHUNK, np.bool_)
                bits[offsets - first * CHUNK] = True
                for i, packed in enumerate(np.packbits(bits.reshape(-1, CHUNK), axis=1)):
                    self._or(first + i, packed)
                return
        self._wait(low, high)

    def merge(self, other: "OffsetSet") -> None:
        """Add all offsets of another set."""
        stretches, chunks = other.unsettled()
        for each in stretches:
            self._wait(*each)
        for number, packed in chunks.items():
            self._or(number, packed)

    def add_between(self, low: int, high: int) -> None:
        """Add all offsets in `[low, high)`."""
        low, last = max(0, low), min(high - 1, _MOST)
        if low <= last:
            self._wait(np.array([low]), np.array([last]))

    def intervals(self) -> Stretches:
        """Return the least and the greatest offset of each gapless stretch."""
        lows, highs = ([each] for each in self.stretches)
        for number, packed in self.chunks.items():
            edges = np.diff(np.unpackbits(packed).view(np.int8), prepend=np.int8(0), append=np.int8(0))
            lows.append(np.flatnonzero(edges == 1) + number * CHUNK)
            highs.append(np.flatnonzero(edges == -1) + (number * CHUNK - 1))
        return _joined(np.concatenate(lows), np.concatenate(highs))

    def minus(self, other: "OffsetSet") -> "OffsetSet":
        """Return the offsets that the other set does not hold."""
        result = OffsetSet()
        left = _common(self.stretches, _complement(other.stretches))
        for number, packed in other.chunks.items():
            here = _bits(number, left)
            if here.any():
                result._chunks[number] = here & ~packed
        result._stretches = _common(left, _complement(_of_chunks(result._chunks)))
        for number, packed in self.chunks.items():
            left_here = packed & ~other.chunks[number] if number in other.chunks else packed
            result._chunks[number] = left_here & ~_bits(number, other.stretches)
        return result

    def between(self, low: int, high: int) -> "OffsetSet":
        """Return the offsets in `[low, high)`."""
        result = OffsetSet()
        low, last = max(0, low), min(high - 1, _MOST)
        if low > last:
            return result
        result._stretches = _common(self.stretches, (np.array([low]), np.array([last])))
        for number, packed in self.chunks.items():
            start = number * CHUNK
            if start > last or start + CHUNK <= low:
                continue
            if low <= start and start + CHUNK - 1 <= last:
                result._chunks[number] = packed
                continue
            bits = np.unpackbits(packed)
            bits[: max(0, low - start)] = 0
            bits[last - start + 1 :] = 0
            result._chunks[number] = np.packbits(bits)
        return result

    def holds(self, offsets: Int64) -> Mask:
        """Return which of some ascending offsets are in the set."""
        low, high = self.stretches
        found: Mask = np.zeros(len(offsets), np.bool_)
        if len(low):
            at = np.searchsorted(low, offsets, side="right") - 1
            found = (at >= 0) & (offsets <= high[at])
        for number in (offsets // CHUNK)[run_heads(offsets // CHUNK)].tolist():
            if number in self.chunks:
                start = int(np.searchsorted(offsets, number * CHUNK))
                end = int(np.searchsorted(offsets, number * CHUNK + (CHUNK - 1), side="right"))
                found[start:end] |= np.unpackbits(self.chunks[number])[offsets[start:end] % CHUNK].astype(np.bool_)
        return found

    def __len__(self) -> int:
        low, high = self.stretches
        return (
            int((high - low).sum()) + len(low) + sum(int(np.bitwise_count(bits).sum()) for bits in self.chunks.values())
        )

    def __contains__(self, offset: int) -> bool:
        return bool(self.holds(np.array([offset]))[0])

    def __iter__(self) -> Iterator[int]:
        low, high = self.intervals()
        yield from expanded(low, high - low + 1).tolist()

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The lowest and the highest offset, None for an empty set."""
        low, high = self.stretches
        edges = [int(low[0]), int(high[-1])] if len(low) else []
        filled = sorted(number for number, packed in self.chunks.items() if packed.any())
        if filled:
            edges.append(filled[0] * CHUNK + _edge(self.chunks[filled[0]]))
            edges.append(filled[-1] * CHUNK + CHUNK - 1 - _edge(self.chunks[filled[-1]], last=True))
        return (min(edges), max(edges)) if edges else None

    def _wait(self, low: Int64, high: Int64) -> None:
        if not len(low):
            return
        self._waiting.append((low, high))
        self._added += len(low)
        # Each stretch is sorted a few times, not once for each call.
        if self._added > max(len(self._stretches[0]), 4 * DENSE):
            self._settle()

    def _settle(self) -> None:
        """Join what was added with the stretches, and turn chunks into bits in which there are many."""
        lows, highs = zip(self._stretches, *self._waiting, strict=True)
        self._waiting, self._added = [], 0
        low, high = _joined(np.concatenate(lows), np.concatenate(highs))
        number = low // CHUNK
        heads = run_heads(number)
        many = number[heads[np.diff(heads, append=len(number)) >= DENSE]].tolist()
        for chunk in {*many, *self._chunks}:
            bits = _bits(chunk, (low, high))
            if bits.any():
                self._chunks[chunk] = bits | self._chunks[chunk] if chunk in self._chunks else bits
        self._stretches = _common((low, high), _complement(_of_chunks(self._chunks))) if self._chunks else (low, high)

    def _or(self, number: int, packed: Array) -> None:
        present = self._chunks.get(number)
        if present is not None:
            self._chunks[number] = present | packed
        elif packed.any():
            self._chunks[number] = packed.copy()
            if len(self._stretches[0]):
                self._waiting.append((_NONE, _NONE))  # some stretches may be of this chunk now


def _joined(low: Int64, high: Int64) -> Stretches:
    """Return stretches in any order, which may overlap, ascending and apart."""
    order = np.argsort(low, kind="stable")
    low, reach = low[order], np.maximum.accumulate(high[order])
    apart = np.flatnonzero(low[1:] - 1 > reach[:-1]) + 1
    return low[np.append(0, apart)[: len(low)]], reach[np.append(apart, len(low))[: len(low)] - 1]


def _common(one: Stretches, other: Stretches) -> Stretches:
    """Return what is in both."""
    before, after = np.searchsorted(other[1], one[0], "left"), np.searchsorted(other[0], one[1], "right")
    count = np.maximum(after - before, 0)
    mine, its = np.repeat(np.arange(len(count)), count), expanded(before, count)
    return np.maximum(one[0][mine], other[0][its]), np.minimum(one[1][mine], other[1][its])


def _complement(stretches: Stretches) -> Stretches:
    """Return all other offsets."""
    low, high = stretches
    # One more than the greatest offset there can be is none.
    after = high[high < _MOST] + 1
    begin, end = np.append(0, after), np.append(low - 1, _MOST)[: len(after) + 1]
    some = begin <= end
    return begin[some], end[some]


def _of_chunks(chunks: dict[int, Array]) -> Stretches:
    """Return the offsets of chunks as stretches, which may touch."""
    low = np.array(sorted(chunks), np.int64) * CHUNK
    return low, low + (CHUNK - 1)


def _bits(number: int, stretches: Stretches) -> Array:
    """Return the bits of a chunk for those of some stretches that are in it."""
    start = number * CHUNK
    low, high = _common(stretches, (np.array([start]), np.array([start + CHUNK - 1])))
    steps = np.zeros(CHUNK + 1, np.int8)
    steps[low - start] = 1
    steps[high - start + 1] -= 1
    return np.packbits(np.add.accumulate(steps[:CHUNK], dtype=np.int8).view(np.bool_))


def _edge(packed: Array, *, last: bool = False) -> int:
    """Return how many bits are clear before the first one that is set, or after the last one."""
    from_edge = packed[::-1] if last else packed
    place = int((from_edge != 0).argmax())
    bits = np.unpackbits(from_edge[place])
    return place * 8 + int((bits[::-1] if last else bits).argmax())
