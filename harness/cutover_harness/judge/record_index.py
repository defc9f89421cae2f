"""Numbers for records: every (stream, sequence) that was produced gets an id, in the order of stream and sequence."""

from dataclasses import dataclass

import numpy as np

from cutover_harness.ledger.columns import Array, Columns, Int64, Mask, UInt64, is_constant

# Beyond this many places per row, sequences are not consecutive enough for an array that is indexed by them.
_SPARSE = 4
_ALWAYS_DENSE = 1 << 16


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
        streams = np.unique(np.concatenate([p.stream[h] for p, h in zip(parts, heads, strict=True)] or [_NO_STREAM]))
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
        sequences = np.unique(np.concatenate([part.sequence for part in parts]))
        index = np.concatenate([np.searchsorted(streams, part.stream) for part in parts])
        rank = np.concatenate([np.searchsorted(sequences, part.sequence) for part in parts])
        pairs = np.unique(index * len(sequences) + rank)
        base = np.searchsorted(pairs, np.arange(len(streams) + 1) * len(sequences))
        return cls(streams, len(pairs), base, sequences, pairs)

    def stream_numbers(self, stream: UInt64) -> Int64:
        """Return the place of each row's stream in `streams`, len(streams) for an unknown one. Rows come in runs."""
        head = run_heads(stream)
        values = stream[head]
        place = np.searchsorted(self.streams, values)
        known = place < len(self.streams)
        known[known] = self.streams[place[known]] == values[known]
        place[~known] = len(self.streams)
        return repeat(place, head, len(stream))

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


def run_heads(values: Array) -> Int64:
    """Return the indices at which a new run of equal values begins; shape (runs,), empty for no values."""
    if not len(values):
        return np.empty(0, np.int64)
    if is_constant(values):
        return np.zeros(1, np.int64)
    return np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])


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

    def of(self, columns: Columns) -> Int64:
        """Return each row's number; rows of one place come in runs."""
        topic, partition = columns.topic, columns.partition
        head = np.union1d(run_heads(topic), run_heads(partition))
        code = (topic[head].astype(np.int64) << 32) | (partition[head].astype(np.int64) & 0xFFFF_FFFF)
        values, inverse = np.unique(code, return_inverse=True)
        numbers = np.array([self._get(int(value)) for value in values], np.int64)
        return repeat(numbers[inverse], head, len(topic))

    def _get(self, code: int) -> int:
        number = self._number.get(code)
        if number is None:
            number = self._number[code] = len(self.pairs)
            partition = code & 0xFFFF_FFFF
            self.pairs.append((code >> 32, partition - (1 << 32) if partition >> 31 else partition))
        return number
