"""Deliveries of some streams to one group: their order, first deliveries and repeated ones."""

from dataclasses import dataclass

import numpy as np

from cutover_harness.judge.duplicates import FIRST, classify, produced_where
from cutover_harness.judge.measures import CAUSES
from cutover_harness.judge.produced import Produced
from cutover_harness.judge.record_index import Places
from cutover_harness.judge.rows import Rows, log_heads
from cutover_harness.judge.runs import Runs, among, edges
from cutover_harness.judge.sequence import arranged, sorted_runs
from cutover_harness.ledger.columns import Array, Columns, Int64, Mask


@dataclass
class Delivered:
    """A group's deliveries. Rows are numbers in `rows`; all lists of rows are in the order of delivery.

    runs: the deliveries of known records as runs of ids, by stream and in each in the order of delivery.
    cluster: of each of these runs. heads, places: rows from which on a place (topic and partition) holds, ascending.
    repeats: deliveries beyond a record's first, phantoms too, by the number of their cause. repeated: all of these,
    ascending. phantoms: first deliveries of records that no producer sent. reordered: first deliveries that a later
    record of its stream came before; overtakers: those records' ids, shape (reordered,).
    """

    rows: Rows
    runs: Runs
    cluster: Array
    heads: Int64
    places: Int64
    repeats: dict[int, Int64]
    repeated: Int64
    phantoms: Int64
    reordered: Int64
    overtakers: Int64

    def place_of(self, rows: Int64) -> Int64:
        """Return the place of some rows."""
        return self.places[np.searchsorted(self.heads, rows, side="right") - 1]

    def by_place(self, size: int) -> Int64:
        """Return the number of deliveries at each place; shape (size,)."""
        counts = np.zeros(size, np.int64)
        np.add.at(counts, self.places, np.diff(self.heads, append=len(self.rows)))
        return counts

    def first_of(self, records: Mask) -> Int64:
        """Return the first deliveries of some known records; shape of the mask: (ids,)."""
        return without(self.runs.within(*edges(records)).rows(), self.repeated)

    def on(self, cluster: int) -> Runs:
        """Return the runs of known records that a cluster delivered."""
        return self.runs.take(self.cluster == cluster)

    def lower(self, lowest: Int64, cluster: int) -> None:
        """Lower each record's entry to the lowest of its offsets in a cluster's deliveries; shape (ids,)."""
        runs = self.on(cluster)
        # As unsigned numbers, an unknown offset (-1) is the greatest.
        entries = lowest.view(np.uint64)
        for part, its in self.rows.by_part(runs):
            offset = part.offset.view(np.uint64)
            if not its.are_long:
                np.minimum.at(entries, its.numbers(), offset[its.rows()])
                continue
            for row, first, size in its.listed():
                entry = entries[first : first + size]
                np.minimum(entry, offset[row : row + size], out=entry)


def without(rows: Int64, others: Int64) -> Int64:
    """Return the rows that are not among some others, which ascend."""
    return rows[~among(rows, others)] if len(others) else rows


def deliver(parts: list[Columns], instances: list[int], produced: Produced, places: Places) -> Delivered:
    """Work out a group's deliveries from the rows of its members, each sorted by stream and all of them DELIVERED."""
    rows, pieces = arranged(parts, instances)
    found = [produced.record_index.runs(part, log_heads(part)) for part in rows.parts]
    at = np.concatenate([_NONE, *(places.of(part, its.row) for part, its in zip(rows.parts, found, strict=True))])
    cluster = np.concatenate([_NONE, *(part.cluster[its.row] for part, its in zip(rows.parts, found, strict=True))])
    whole = Runs.concat([its.shifted(start) for its, start in zip(found, rows.bounds.tolist(), strict=False)])
    runs, origin = produced.without_unknown(whole)
    place, cluster = at[origin], cluster[origin]
    if pieces is not None:
        order = sorted_runs(runs, pieces)
        runs, place, cluster = runs.take(order), place[order], cluster[order]
    is_known = runs.first >= 0
    unknown = runs.take(~is_known).rows()
    if len(unknown):
        runs, place, cluster = runs.take(is_known), place[is_known], cluster[is_known]
    # A run is never of two parts: only then is it a slice of one.
    runs, chosen = runs.joined(place, cluster, np.searchsorted(rows.bounds, runs.row, side="right"))
    none = (np.empty(0, np.int64) for _ in range(4))
    got = Delivered(rows, runs, cluster[chosen], whole.row, at, {}, *none)
    _find_repeats(got, unknown, produced)
    late, latest = runs.behind()
    before = late.rows()
    kept = ~among(before, got.repeated)
    got.reordered, got.overtakers = before[kept], np.repeat(latest, late.size)[kept]
    return got


def _find_repeats(got: Delivered, unknown: Int64, produced: Produced) -> None:
    """Find which deliveries are not the first of their record, and why. unknown: deliveries of unknown records."""
    again = got.runs.within(*got.runs.shared())
    rows, ids = again.rows(), again.numbers()
    cause = _causes(got, rows, ids, produced.sent_to(ids))
    phantom = _phantom_records(got.rows.take(unknown), got.place_of(unknown))
    phantom_cause = _causes(got, unknown, phantom, np.zeros(len(unknown), np.uint8))
    got.phantoms = unknown[phantom_cause == FIRST]
    for number in range(len(CAUSES)):
        got.repeats[number] = np.concatenate([rows[cause == number], unknown[phantom_cause == number]])
    got.repeated = np.sort(np.concatenate(list(got.repeats.values())))


def _causes(got: Delivered, rows: Int64, record: Int64, sent_to: Array) -> Array:
    of = got.rows.take(rows)
    return classify(record, of.cluster, got.place_of(rows), of.offset, produced_where(sent_to, of.cluster))


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


_NONE = np.empty(0, np.int64)
