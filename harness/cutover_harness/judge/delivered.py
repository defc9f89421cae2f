"""Deliveries of some streams to one group: their order, first deliveries and repeated ones."""

from dataclasses import dataclass

import numpy as np

from cutover_harness.judge.duplicates import FIRST, classify, produced_where
from cutover_harness.judge.produced import Produced
from cutover_harness.judge.record_index import Places
from cutover_harness.judge.sequence import in_order
from cutover_harness.ledger.columns import Array, Columns, Int64, Mask


@dataclass
class Delivered:
    """A group's deliveries, by stream and in each in the order of delivery; all arrays have shape (deliveries,).

    ids: the record, 0 if `is_known` is False (a phantom); is_first: the record's first delivery to the group, for
    phantoms too; cause: as `duplicates.classify` has it; is_reordered: a first delivery that a later record of its
    stream came before; overtaker: that record's id, shape (reordered,); instance: number of the ledger.
    """

    rows: Columns
    instance: Array
    ids: Int64
    is_known: Mask
    place: Int64
    is_first: Mask
    is_reordered: Mask
    overtaker: Int64
    cause: Array


def deliver(parts: list[Columns], instances: list[int], produced: Produced, places: Places) -> Delivered:
    """Work out a group's deliveries from the rows of its members, each sorted by stream and all of them DELIVERED."""
    record_index = produced.record_index
    rows, instance = in_order(parts, instances)
    index = record_index.stream_numbers(rows.stream)
    place = places.of(rows)
    ids, is_known = record_index.ids(index, rows.sequence)
    if not record_index.size:
        is_known[:] = False
    elif not produced.all_known:
        is_known &= produced.is_known[ids]
    is_first, cause = _repeats(rows, ids, is_known, place, produced)
    is_reordered = np.zeros(len(rows), np.bool_)
    first = is_first & is_known
    record = ids if first.all() else ids[first]
    # Ids ascend from stream to stream, and so do the rows: the maximum so far is of this stream or of an earlier one.
    latest = np.maximum.accumulate(record) if len(record) else record
    late = latest > record
    is_reordered[first] = late
    return Delivered(rows, instance, ids, is_known, place, is_first, is_reordered, latest[late], cause)


def _repeats(rows: Columns, ids: Int64, is_known: Mask, place: Int64, produced: Produced) -> tuple[Mask, Array]:
    """Return which deliveries are the first of their record, and the cause of the others."""
    is_first = np.ones(len(rows), np.bool_)
    cause = np.full(len(rows), FIRST, np.int8)
    if not is_known.all():
        phantom = np.flatnonzero(~is_known)
        record = _phantom_records(rows.take(phantom), place[phantom])
        cause[phantom] = _classify(rows, phantom, record, place, np.zeros(len(phantom), np.uint8))
    again = _delivered_again(ids, is_known, produced.record_index.size)
    if len(again):
        cause[again] = _classify(rows, again, ids[again], place, produced.sent_to(ids[again]))
    is_first[cause != FIRST] = False
    return is_first, cause


def _classify(rows: Columns, chosen: Int64, record: Int64, place: Int64, sent_to: Array) -> Array:
    cluster = rows.cluster[chosen]
    return classify(record, cluster, place[chosen], rows.offset[chosen], produced_where(sent_to, cluster))


def _delivered_again(ids: Int64, is_known: Mask, size: int) -> Int64:
    """Return all deliveries of the records that were delivered more than once."""
    known = ids if is_known.all() else ids[is_known]
    if not len(known) or bool((known[1:] > known[:-1]).all()):
        return np.empty(0, np.int64)
    times = np.bincount(known, minlength=size)
    often = times > 1
    return np.flatnonzero(often[ids] & is_known) if often.any() else np.empty(0, np.int64)


def _phantom_records(rows: Columns, place: Int64) -> Int64:
    """Number phantoms by (stream, sequence), and those that carry no identity by (stream, cluster, place, offset)."""
    nameless = rows.sequence < 0
    keys = (
        np.where(nameless, rows.cluster, 0),
        np.where(nameless, place, -1),
        np.where(nameless, rows.offset, rows.sequence),
        rows.stream,
    )
    order = np.lexsort(keys)
    change = np.zeros(len(order), np.bool_)
    for key in keys:
        change[1:] |= key[order][1:] != key[order][:-1]
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(change)
    return numbers
