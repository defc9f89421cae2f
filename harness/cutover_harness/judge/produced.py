"""Outcome of every record that the producers sent: one pass over their rows, then one value for each record."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cutover_harness.judge.duplicates import cluster_bit
from cutover_harness.judge.record_index import Places, RecordIndex, run_heads
from cutover_harness.judge.sequence import steady
from cutover_harness.ledger.columns import Array, Columns, Int64, Mask, constant, take
from cutover_harness.ledger.format import ABORTED, ACKED, FAILED, SENT, SOURCE, TARGET, UNKNOWN

CLUSTERS = (SOURCE, TARGET, UNKNOWN)
_CLUSTER_BITS, _ACKED_SHIFT, _FAILED, _ABORTED = 0b111, 3, 1 << 6, 1 << 7


@dataclass
class Produced:
    """The producers' rows of some streams, and their facts about each record (by its id in `record_index`).

    rows, row_ids, row_place, row_instance: rows, their record, topic and partition, and the number of the ledger;
        without SENT rows of records that were acknowledged later.
    flags: sent to the clusters in bits 0-2 (as `cluster_bit`), acknowledged by those in bits 3-5, failed, aborted.
    place: topic and partition, those of the acknowledgement if there is one, -1 for an id without a record.
    offsets: by cluster, the offset that it acknowledged, -1 if it did not. Only clusters that acknowledged any.
    is_acked: acknowledged and not aborted; is_aborted: in an aborted transaction and not acknowledged afterwards.
    """

    record_index: RecordIndex
    rows: Columns
    row_ids: Int64
    row_place: Int64
    row_instance: Array
    flags: npt.NDArray[np.uint8]
    place: npt.NDArray[np.int32]
    offsets: dict[int, Int64]
    is_acked: Mask
    is_aborted: Mask

    @cached_property
    def is_known(self) -> Mask:
        """Which ids are of a record that a producer logged."""
        known: Mask = self.flags != 0
        return known

    @cached_property
    def all_known(self) -> bool:
        """Whether every id is of a record that a producer logged."""
        return bool(self.is_known.all())

    @property
    def is_failed(self) -> Mask:
        """Which records failed according to the producer."""
        failed: Mask = (self.flags & _FAILED != 0) & ~self.is_acked & ~self.is_aborted
        return failed

    def unlogged(self) -> tuple[int, tuple[int, int] | None]:
        """Return how many places of streams, below their last one, no row is about, and stream and sequence of one."""
        record_index = self.record_index
        known = int(np.count_nonzero(self.flags))
        places = sum(last + 1 for last in record_index.last_sequences().tolist())
        if known == places:
            return 0, None
        ids = np.flatnonzero(self.flags)
        stream = record_index.stream_of(ids)
        # The first record whose sequence is not its rank among its stream's records.
        heads = run_heads(stream)
        rank = np.arange(len(ids)) - np.repeat(heads, np.diff(heads, append=len(ids)))
        at = int((record_index.sequence_of(ids) != rank).argmax())
        return places - known, (int(record_index.streams[stream[at]]), int(rank[at]))

    def acked_on(self, cluster: int) -> Mask:
        """Return which records the cluster acknowledged."""
        bit = int(cluster_bit(np.array([cluster]))[0]) << _ACKED_SHIFT
        acked: Mask = self.flags & bit != 0
        return acked

    def sent_to(self, ids: Int64) -> Array:
        """Return bits of the clusters that each record was produced on: acknowledged there, or else sent there."""
        flags = self.flags[ids]
        acked = (flags >> _ACKED_SHIFT) & _CLUSTER_BITS
        both: Array = acked | (flags & 0b011)
        return np.where(both == 0, flags & _CLUSTER_BITS, both)

    def acked_at(self, ids: Int64) -> tuple[Array, Int64]:
        """Return the cluster and the offset of each record's acknowledgement (the target's if both acknowledged)."""
        cluster = np.full(len(ids), UNKNOWN, np.uint8)
        offset = np.full(len(ids), -1, np.int64)
        for code in (UNKNOWN, SOURCE, TARGET):
            if code in self.offsets:
                known = self.offsets[code][ids]
                here = self.flags[ids] >> _ACKED_SHIFT & cluster_bit(np.array([code]))[0] != 0
                cluster[here] = code
                offset[here] = known[here]
        return cluster, offset


def gather(parts: list[Columns], instances: list[int], places: Places) -> Produced:
    """Combine the rows of the producers' ledgers; each part is sorted by stream, instances number them."""
    filled = [(part, number) for part, number in zip(parts, instances, strict=True) if len(part)]
    parts = [part for part, _ in filled]
    record_index = RecordIndex.of(parts)
    place = _joined([places.of(part) for part in parts])
    ids = _joined([record_index.ids(record_index.stream_numbers(part.stream), part.sequence)[0] for part in parts])
    rows = Columns.concat(parts)
    flags = _flags(rows, ids, record_index.size)
    where = np.full(record_index.size, -1, np.int32)
    where[ids] = place
    acked = rows.event == ACKED
    where[ids[acked]] = place[acked]
    offsets = {}
    for cluster in CLUSTERS:
        chosen = acked & (rows.cluster == cluster)
        if chosen.any():
            offsets[cluster] = np.full(record_index.size, -1, np.int64)
            offsets[cluster][ids[chosen]] = rows.offset[chosen]
    is_acked = flags & (_CLUSTER_BITS << _ACKED_SHIFT) != 0
    is_aborted = flags & _ABORTED != 0
    contested = is_acked & is_aborted
    if contested.any():
        # Within a ledger its order counts, also when the clock was set back.
        last_aborted = _aborted_last(rows, np.concatenate([steady(part) for part in parts]), ids, contested)
        is_acked &= ~last_aborted
        is_aborted &= ~contested | last_aborted
    instance = _joined([constant(number, len(part), np.int16) for part, number in filled])
    # The flags contain what was sent; only the ACKED row is needed to describe an acknowledged record.
    keep = np.flatnonzero((rows.event != SENT) | ~is_acked[ids])
    rows, ids, place, instance = rows.take(keep), ids[keep], take(place, keep), take(instance, keep)
    return Produced(record_index, rows, ids, place, instance, flags, where, offsets, is_acked, is_aborted)


def _joined(parts: list[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int64), *parts])


def _flags(rows: Columns, ids: Int64, size: int) -> npt.NDArray[np.uint8]:
    flags = np.zeros(size, np.uint8)
    shift, extra = np.zeros((2, 256), np.uint8)
    shift[ACKED] = _ACKED_SHIFT
    # FAILED and ABORTED name the cluster too, for a process that learns the cluster only at the end.
    extra[[FAILED, ABORTED]] = _FAILED, _ABORTED
    bit = cluster_bit(rows.cluster) << shift[rows.event]
    bit |= extra[rows.event]
    for value in np.unique(bit):
        flags[ids[bit == value]] |= value
    return flags


def _aborted_last(rows: Columns, times: Int64, ids: Int64, contested: Mask) -> Mask:
    """Return which of the contested records were aborted after their last acknowledgement."""
    chosen = contested[ids] & ((rows.event == ACKED) | (rows.event == ABORTED))
    order = np.lexsort((times[chosen], ids[chosen]))
    record = ids[chosen][order]
    last = np.append(record[1:] != record[:-1], True)
    result = np.zeros_like(contested)
    result[record[last]] = rows.event[chosen][order][last] == ABORTED
    return result
