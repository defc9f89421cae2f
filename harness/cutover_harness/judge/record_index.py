"""Numbers for records: every (stream, sequence) that was produced gets an id, in the order of stream and sequence."""

from dataclasses import dataclass

import numpy as np

from cutover_harness.judge.runs import Runs, ascents, distinct, joined_heads, run_heads
from cutover_harness.ledger.columns import Array, Columns, Int64, Mask, UInt64, is_constant

# Beyond this many places per row, sequences are not consecutive enough for an array that is indexed by them.
_SPARSE = 4
_ALWAYS_DENSE = 1 << 16
_FEW_HEADS = 1 << 8


@dataclass(frozen=True)
class RecordIndex:
    """The produced records of some streams.

    streams: shape (streams,), ascending. size: number of ids. The ids of a stream are consecutive and ascend with the
    sequence, and those of a later stream are greater: a running maximum over ids never crosses streams by accident.
    Dense: id = base[stream] + sequence, base of shape (streams + 1,). Sparse: id = place of the pair among `pairs`.
    """

    streams: UInt64
    size: int
    base: Int64
    sequences: Int64 | None = None
    pairs: Int64 | None = None

    @classmethod
    def of(cls, parts: list[Columns]) -> "RecordIndex":
        """Number the records of some ledgers' rows; each part is sorted by stream."""
        heads = [run_heads(part.stream) for part in parts]
        streams = distinct(np.concatenate([p.stream[h] for p, h in zip(parts, heads, strict=True)] or [_NO_STREAM]))
        last = np.full(len(streams), -1, np.int64)
        for part, head in zip(parts, heads, strict=True):
            if len(part):
                np.maximum.at(
                    last, np.searchsorted(streams, part.stream[head]), np.maximum.reduceat(part.sequence, head)
                )
        rows = sum(len(part) for part in parts)
        # In floating point: a sequence near 2^63 cannot overflow.
        if float((last.astype(np.float64) + 1).sum()) <= max(_SPARSE * rows, _ALWAYS_DENSE):
            base = np.concatenate([[0], np.cumsum(last + 1)])
            return cls(streams, int(base[-1]), base)
        return cls._sparse(streams, parts)

    @classmethod
    def _sparse(cls, streams: UInt64, parts: list[Columns]) -> "RecordIndex":
        sequences = distinct(np.concatenate([part.sequence for part in parts]))
        index = np.concatenate([np.searchsorted(streams, part.stream) for part in parts])
        rank = np.concatenate([np.searchsorted(sequences, part.sequence) for part in parts])
        pairs = distinct(index * len(sequences) + rank)
        base = np.searchsorted(pairs, np.arange(len(streams) + 1) * len(sequences))
        return cls(streams, len(pairs), base, sequences, pairs)

    def stream_numbers(self, stream: UInt64) -> Int64:
        """Return the place of each row's stream in `streams`, len(streams) for an unknown one. Rows come in runs."""
        head = run_heads(stream)
        return repeat(self.places(stream[head]), head, len(stream))

    def places(self, streams: UInt64) -> Int64:
        """Return the place of each of some streams in `streams`, len(streams) for an unknown one."""
        place = np.searchsorted(self.streams, streams)
        known = place < len(self.streams)
        known[known] = self.streams[place[known]] == streams[known]
        place[~known] = len(self.streams)
        return place

    def ids(self, index: Int64, sequence: Int64) -> tuple[Int64, Mask]:
        """Return each row's id and whether it has one (0 if it has none)."""
        if self.size == 0:
            return np.zeros(len(index), np.int64), np.zeros(len(index), np.bool_)
        if self.pairs is None or self.sequences is None:
            length = np.append(np.diff(self.base), 0)
            if is_constant(index) and len(sequence) and sequence.min() >= 0 and sequence.max() < length[index[0]]:
                base = int(self.base[index[0]])
                return (sequence + base if base else sequence), np.ones(len(sequence), np.bool_)
            if is_constant(index):
                known = (sequence >= 0) & (sequence < length[index[0]])
                ids = sequence + self.base[index[0]]
            else:
                known = (sequence >= 0) & (sequence < length[index])
                ids = sequence + self.base[index]
        else:
            rank = np.minimum(np.searchsorted(self.sequences, sequence), len(self.sequences) - 1)
            pair = index * len(self.sequences) + rank
            ids = np.minimum(np.searchsorted(self.pairs, pair), self.size - 1)
            known = (self.sequences[rank] == sequence) & (self.pairs[ids] == pair) & (index < len(self.streams))
        if not known.all():
            ids = np.where(known, ids, 0)
        return ids, known

    def runs(self, part: Columns, heads: Int64) -> Runs:
        """Return the ids of a ledger's rows as runs, -1 for rows that have none.

        heads: rows at which a run begins in any case. The rows are in the order of streams.
        """
        size = len(part)
        if not size:
            return Runs(_NO_ROWS, _NO_ROWS, _NO_ROWS)
        streams = run_heads(part.stream)
        if self.pairs is not None or not self.size:
            ids, known = self.ids(self.stream_numbers(part.stream), part.sequence)
            row = joined_heads([heads, streams, ascents(ids), run_heads(known)])
            return Runs(row, np.where(known[row], ids[row], -1), np.diff(row, append=size))
        length = np.append(np.diff(self.base), 0)
        row = joined_heads([heads, streams, ascents(part.sequence)])
        stream = self.places(part.stream[streams])
        its = stream if len(streams) == 1 else stream[np.searchsorted(streams, row, "right") - 1]
        first, count = part.sequence[row], np.diff(row, append=size)
        # A run may begin before a stream's first record, or end after its last. The difference cannot overflow.
        inside = np.clip(length[its] - first, 0, count)
        if first.min() < 0 or (inside < count).any():
            row = distinct(np.concatenate([row, row + np.clip(-first, 0, count), row + inside]))
            row = row[row < size]
            its = stream if len(streams) == 1 else stream[np.searchsorted(streams, row, "right") - 1]
            first, count = part.sequence[row], np.diff(row, append=size)
        known = (first >= 0) & (first < length[its])
        return Runs(row, np.where(known, first + self.base[its], -1), count)

    def stream_of(self, ids: Int64) -> Int64:
        """Return the place in `streams` of each id's stream."""
        return np.searchsorted(self.base, ids, side="right") - 1

    def last_sequences(self) -> Int64:
        """Return the greatest sequence of each stream; shape (streams,)."""
        if self.pairs is None:
            return np.diff(self.base) - 1
        return self.sequence_of(self.base[1:] - 1)

    def sequence_of(self, ids: Int64) -> Int64:
        """Return each id's sequence."""
        if self.pairs is None or self.sequences is None:
            found: Int64 = ids - self.base[self.stream_of(ids)]
            return found
        sparse: Int64 = self.sequences[self.pairs[ids] % len(self.sequences)]
        return sparse


_NO_STREAM = np.empty(0, np.uint64)
_NO_ROWS = np.empty(0, np.int64)


def repeat(values: Int64, head: Int64, size: int) -> Int64:
    """Return each run's value for all rows of the run; the inverse of `run_heads`."""
    if len(head) == 1:
        return np.broadcast_to(values[0], (size,))
    return np.repeat(values, np.diff(head, append=size))


class Places:
    """Small numbers for (topic, partition) pairs, in the order in which they are met."""

    def __init__(self) -> None:
        self.pairs: list[tuple[int, int]] = []
        self._number: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.pairs)

    def of(self, columns: Columns, rows: Int64) -> Int64:
        """Return the numbers of some rows."""
        topic, partition = columns.topic[rows], columns.partition[rows]
        code = (topic.astype(np.int64) << 32) | (partition.astype(np.int64) & 0xFFFF_FFFF)
        values = distinct(code)
        numbers = np.array([self._get(int(value)) for value in values], np.int64)
        return numbers[np.searchsorted(values, code)]

    def _get(self, code: int) -> int:
        number = self._number.get(code)
        if number is None:
            number = self._number[code] = len(self.pairs)
            partition = code & 0xFFFF_FFFF
            self.pairs.append((code >> 32, partition - (1 << 32) if partition >> 31 else partition))
        return number


class ByPlace:
    """Counts of records by their place, of which the records of a stream have few."""

    def __init__(self, place: Array, size: int) -> None:
        """place: shape (ids,), -1 for none; size: number of places."""
        self._place, self._size = place, size
        self._heads = run_heads(place)

    def count(self, chosen: Mask) -> Int64:
        """Count the chosen records, all of which have a place; shape (places,)."""
        if len(self._heads) > _FEW_HEADS:
            return np.bincount(self._place[np.flatnonzero(chosen)], minlength=self._size)
        counts = np.zeros(self._size, np.int64)
        ends = [*self._heads[1:].tolist(), len(chosen)]
        for place, start, end in zip(self._place[self._heads].tolist(), self._heads.tolist(), ends, strict=False):
            if place >= 0:
                counts[place] += np.count_nonzero(chosen[start:end])
        return counts
