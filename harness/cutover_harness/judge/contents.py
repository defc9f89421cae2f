"""Identify deliveries by their content: fingerprints become sequences.

In ledgers whose identity is "fingerprint", `sequence` holds a fingerprint of the content. Within a stream the sends,
in their order, are numbered 0, 1, 2 ..., and every other row gets the number of the send that it belongs to:

- content that was sent once in its stream: that send;
- content that was sent several times: a position in a log that was acknowledged is the send that was acknowledged
  there. The other positions on a cluster go to the sends that were not acknowledged there, in order. If there are
  fewer positions than sends, they are the last ones, as after a resumption; if there are more, the rest are copies of
  the last. The k-th report belongs to the k-th send.
- content that no producer sent keeps a number of its own, and is a phantom.

So with equal records in one stream, a loss of one and a second copy of another between clusters look the same as
neither; `ambiguous` counts the deliveries for which that is possible.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cutover_harness.judge.record_index import RecordIndex
from cutover_harness.judge.runs import run_heads
from cutover_harness.judge.sequence import in_order
from cutover_harness.ledger.columns import Columns
from cutover_harness.ledger.fingerprint import LIMIT
from cutover_harness.ledger.format import ACKED, DELIVERED, SENT


@dataclass(frozen=True, order=True)
class _Row:
    """A row about content that was sent several times; `ledger` and `row` are its position."""

    time_ns: int
    ledger: int
    row: int
    event: int
    log: tuple[int, int, int]
    offset: int


def resolve(parts: Mapping[int, Columns]) -> tuple[dict[int, Columns], int]:
    """Return the rows of all ledgers with sequences, and the number of ambiguous deliveries; by ledger's number.

    Each part is sorted by stream, and together they hold all rows of their streams.
    """
    numbers = sorted(parts)
    produced = [parts[n].take((parts[n].event != DELIVERED) & (parts[n].sequence >= 0)) for n in numbers]
    sent, _ = in_order(produced, numbers)
    # A tool may log acknowledgements alone; then these are the sends.
    is_sent = SENT if (sent.event == SENT).any() else ACKED
    sent = sent.take(sent.event == is_sent)
    record_index = RecordIndex.of([sent] if len(sent) else [])
    ids, _ = record_index.ids(record_index.stream_numbers(sent.stream), sent.sequence)
    heads = run_heads(sent.stream)
    ordinal = np.arange(len(sent)) - np.repeat(heads, np.diff(heads, append=len(sent)))
    first = np.zeros(record_index.size, np.int64)
    first[ids[::-1]] = ordinal[::-1]
    often = np.bincount(ids, minlength=record_index.size) > 1
    found: dict[int, Columns] = {}
    repeated: dict[int, list[_Row]] = defaultdict(list)
    for number in numbers:
        rows = parts[number]
        sequence = np.where(rows.sequence < 0, rows.sequence, rows.sequence + LIMIT)  # a phantom, unless it is known
        if record_index.size and len(rows):
            record, known = record_index.ids(record_index.stream_numbers(rows.stream), rows.sequence)
            sequence[known] = first[record[known]]
            for row in np.flatnonzero(known & often[record]).tolist():
                repeated[int(record[row])].append(_row(rows, number, row))
        found[number] = replace(rows, sequence=sequence)
    sends: dict[int, list[int]] = defaultdict(list)
    for content, place in zip(ids[often[ids]].tolist(), ordinal[often[ids]].tolist(), strict=True):
        sends[content].append(place)
    ambiguous = 0
    for content, about in repeated.items():
        chosen, unsure = _tell_apart(sends[content], sorted(about), is_sent)
        ambiguous += unsure
        for each, place in chosen.items():
            found[each.ledger].sequence[each.row] = place
    return found, ambiguous


def _row(rows: Columns, number: int, row: int) -> _Row:
    log = int(rows.cluster[row]), int(rows.topic[row]), int(rows.partition[row])
    return _Row(int(rows.time_ns[row]), number, row, int(rows.event[row]), log, int(rows.offset[row]))


def _tell_apart(sends: list[int], rows: list[_Row], is_sent: int) -> tuple[dict[_Row, int], int]:
    """Return each row's send, and how many deliveries might as well be another's; rows are in the order of time."""
    chosen: dict[_Row, int] = {}
    known: dict[tuple[tuple[int, int, int], int], int] = {}
    for kind in (True, False):
        same = [row for row in rows if row.event != DELIVERED and (row.event == is_sent) is kind]
        for place, row in enumerate(same):
            chosen[row] = sends[min(place, len(sends) - 1)]
            if row.event == ACKED and row.offset >= 0:
                known[row.log, row.offset] = chosen[row]
    delivered = [row for row in rows if row.event == DELIVERED]
    unsure = 0
    for cluster in {row.log[0] for row in delivered}:
        acked = {number for (log, _), number in known.items() if log[0] == cluster}
        open_sends = [number for number in sends if number not in acked] or sends[-1:]
        here = [row for row in delivered if row.log[0] == cluster]
        positions = sorted({(row.log, row.offset) for row in here} - known.keys())
        skipped = max(0, len(open_sends) - len(positions))
        fill = {at: open_sends[min(i + skipped, len(open_sends) - 1)] for i, at in enumerate(positions)}
        for row in here:
            at = (row.log, row.offset)
            chosen[row] = known[at] if at in known else fill[at]
            unsure += at in fill and len(open_sends) > 1 and len(open_sends) != len(positions)
    return chosen, unsure
