"""Outcome of every record that the producers sent: one pass over their rows, then one value for each record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cutover_harness.judge.duplicates import cluster_bit
from cutover_harness.judge.record_index import Places, RecordIndex
from cutover_harness.judge.rows import Rows, log_heads
from cutover_harness.judge.runs import Runs, among, distinct, edges, joined_heads, run_heads
from cutover_harness.judge.sequence import Clock
from cutover_harness.ledger.columns import Array, Columns, Int64, Mask, constant
from cutover_harness.ledger.format import ABORTED, ACKED, FAILED, SENT, SOURCE, TARGET, UNKNOWN

CLUSTERS = (SOURCE, TARGET, UNKNOWN)
_CLUSTER_BITS, _ACKED_SHIFT, _FAILED, _ABORTED = 0b111, 3, 1 << 6, 1 << 7


@dataclass(frozen=True)
class Logged:
    """Some rows of one producer's ledger, each in the ledger's order.

    acks: ACKED. others: SENT, FAILED and ABORTED, without their times, and without offsets unless some are ABORTED.
    ended: ACKED and ABORTED, with times that do not go back within a stream in the whole ledger.
    """

    number: int
    acks: Columns
    others: Columns
    ended: Columns

    @classmethod
    def split(cls, number: int, parts: Iterable[Columns]) -> "list[Logged]":
        """Split the rows of the ledger with this number, which are by stream, part by part."""
        clock = Clock()
        return [cls.of(number, rows, clock) for rows in parts]

    @classmethod
    def of(cls, number: int, rows: Columns, clock: Clock) -> "Logged":
        """Split some rows of the ledger with this number; its clock is as it was after the rows before."""
        is_acked = rows.event == ACKED
        acked = np.flatnonzero(is_acked)
        acks = replace(rows, event=constant(ACKED, len(rows), np.uint8)).take(acked)
        other = np.flatnonzero(~is_acked)
        size = len(rows)
        timeless = replace(rows, time_ns=constant(0, size, np.int64))
        times = clock.steady(rows)
        aborted = rows.event == ABORTED
        if aborted.any():
            ended = replace(rows, time_ns=times).take(np.flatnonzero(is_acked | aborted))
            return cls(number, acks, timeless.take(other), ended)
        others = replace(timeless, offset=constant(-1, size, np.int64)).take(other)
        return cls(number, acks, others, acks if times is rows.time_ns else replace(acks, time_ns=times[acked]))


@dataclass
class Produced:
    """The facts about each record that the producers logged (by its id in `record_index`).

    acks, ack_runs: the ACKED rows, and their records as runs of ids.
    other_runs, other_event, other_instance: the other rows as runs, with the event and the number of the ledger of
        each run. aborted: the ABORTED rows.
    flags: sent to the clusters in bits 0-2 (as `cluster_bit`), acknowledged by those in bits 3-5, failed, aborted.
    place: topic and partition, those of the acknowledgement if there is one, -1 for an id without a record.
    offsets: by cluster, the offset that it acknowledged, -1 if it did not. Only clusters that acknowledged any.
    is_acked: acknowledged and not aborted; is_aborted: in an aborted transaction and not acknowledged afterwards.
    """

    record_index: RecordIndex
    acks: Rows
    ack_runs: Runs
    other_runs: Runs
    other_event: Array
    other_instance: Array
    aborted: list[Columns]
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

    def without_unknown(self, runs: Runs) -> tuple[Runs, Int64]:
        """Take the number from rows whose id is of no record; return the runs, and the run that each was in before."""
        if self.all_known or not len(runs):
            return runs, np.arange(len(runs))
        has_id = np.flatnonzero(runs.first >= 0)
        pieces, origin = runs.take(has_id).cut(np.sort(np.concatenate(edges(self.is_known))))
        pieces = replace(pieces, first=np.where(self.is_known[pieces.first], pieces.first, -1))
        nameless = np.flatnonzero(runs.first < 0)
        found, origin = Runs.concat([pieces, runs.take(nameless)]), np.concatenate([has_id[origin], nameless])
        order = np.argsort(found.row)
        return found.take(order), origin[order]

    def seen_by(self, ids: Int64) -> Iterator[tuple[int, int]]:
        """Yield the record and the number of the ledger for the rows about some ascending ids, by ledger.

        An acknowledged record's SENT rows are left out.
        """
        acked = self.ack_runs.within(ids, ids + 1)
        other, run = self.other_runs.cut(distinct(np.concatenate([ids, ids + 1])))
        about = among(other.first, ids) & ((self.other_event[run] != SENT) | ~self.is_acked[other.first])
        record = np.concatenate([acked.first, other.first[about]])
        instance = np.concatenate([self.acks.instance(acked.row), self.other_instance[run[about]]])
        order = np.argsort(instance, kind="stable")
        yield from zip(record[order].tolist(), instance[order].tolist(), strict=True)

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


def gather(ledgers: list[Logged], places: Places) -> Produced:
    """Combine the rows of the producers' ledgers, which are in the order of their numbers and of streams."""
    kinds = [part for logged in ledgers for part in (logged.acks, logged.others) if len(part)]
    record_index = RecordIndex.of(kinds)
    size = record_index.size
    flags, where = np.zeros(size, np.uint8), np.full(size, -1, np.int32)
    offsets: dict[int, Int64] = {}
    others, events, owners = [], [], []
    for logged in ledgers:
        part = logged.others
        runs = record_index.runs(part, joined_heads([log_heads(part), run_heads(part.event)]))
        _set_flags(flags, runs, _bits(part, runs.row))
        runs.assign(where, places.of(part, runs.row))
        others.append(runs)
        events.append(part.event[runs.row])
        owners.append(np.full(len(runs), logged.number, np.int16))
    acks = Rows.of([logged.acks for logged in ledgers], [logged.number for logged in ledgers])
    acked = [record_index.runs(part, log_heads(part)) for part in acks.parts]
    for part, runs in zip(acks.parts, acked, strict=True):
        _set_flags(flags, runs, _bits(part, runs.row))
        runs.assign(where, places.of(part, runs.row))
        for cluster in distinct(part.cluster[runs.row]).tolist():
            if cluster not in offsets:
                offsets[cluster] = np.full(size, -1, np.int64)
            runs.take(part.cluster[runs.row] == cluster).copy(part.offset, offsets[cluster])
    is_acked = flags & (_CLUSTER_BITS << _ACKED_SHIFT) != 0
    is_aborted = flags & _ABORTED != 0
    contested = is_acked & is_aborted
    if contested.any():
        last_aborted = _aborted_last(record_index, [logged.ended for logged in ledgers], contested)
        is_acked &= ~last_aborted
        is_aborted &= ~contested | last_aborted
    return Produced(
        record_index,
        acks,
        Runs.concat([runs.shifted(start) for runs, start in zip(acked, acks.bounds.tolist(), strict=False)]),
        Runs.concat(others),
        np.concatenate([_NO_EVENT, *events]),
        np.concatenate([_NO_OWNER, *owners]),
        [each.others.take(each.others.event == ABORTED) for each in ledgers if each.ended is not each.acks],
        flags,
        where,
        {cluster: offsets[cluster] for cluster in CLUSTERS if cluster in offsets},
        is_acked,
        is_aborted,
    )


_NO_EVENT, _NO_OWNER = np.empty(0, np.uint8), np.empty(0, np.int16)


def _bits(rows: Columns, heads: Int64) -> Array:
    """Return the flags that follow from some rows."""
    shift, extra = np.zeros((2, 256), np.uint8)
    shift[ACKED] = _ACKED_SHIFT
    # FAILED and ABORTED name the cluster too, for a process that learns the cluster only at the end.
    extra[[FAILED, ABORTED]] = _FAILED, _ABORTED
    event = rows.event[heads]
    bits: Array = (cluster_bit(rows.cluster[heads]) << shift[event]) | extra[event]
    return bits


def _set_flags(flags: npt.NDArray[np.uint8], runs: Runs, bits: Array) -> None:
    for value in distinct(bits):
        its = runs.take(bits == value)
        if its.are_long:
            for _, first, size in its.listed():
                flags[first : first + size] |= value
        else:
            flags[its.numbers()] |= value


def _aborted_last(record_index: RecordIndex, ledgers: Iterable[Columns], contested: Mask) -> Mask:
    """Return which of the contested records were aborted after their last acknowledgement.

    Between ledgers, time decides. Within one, its order counts, also when the clock was set back.
    """
    chosen, records = [], []
    for rows in ledgers:
        ids = record_index.ids(record_index.stream_numbers(rows.stream), rows.sequence)[0]
        about = np.flatnonzero(contested[ids])
        chosen.append(rows.take(about))
        records.append(ids[about])
    together, ids = Columns.concat(chosen), np.concatenate(records)
    order = np.lexsort((together.time_ns, ids))
    record = ids[order]
    last = np.append(record[1:] != record[:-1], True)
    result = np.zeros_like(contested)
    result[record[last]] = together.event[order][last] == ABORTED
    return result
