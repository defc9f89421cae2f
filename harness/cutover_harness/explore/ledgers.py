"""What ledgers of a real run show of each stream, as a few records whose order of events the world has to allow.

Records of a stream that were treated alike, one after the other, are one record here: written on one cluster, and
delivered to the group on the same clusters. Records that were delivered out of order stand for themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from cutover_harness.ledger.format import ACKED, CLUSTER_NAMES, DELIVERED, SOURCE, TARGET
from cutover_harness.ledger.reader import Ledgers

MOST = 4
"""Records of one sequence at most: a world with more is too large to be searched for every stream."""


class Row(NamedTuple):
    """An acknowledgement or a delivery: the record's number in its stream, the cluster, and when."""

    sequence: int
    cluster: int
    time_ns: int


class Seen(NamedTuple):
    """An event of a client in the world's words: written or read, the record's number, the cluster, and when."""

    what: str
    record: int
    cluster: str
    time_ns: int

    def __str__(self) -> str:
        return f"record {self.record} {self.what} on the {self.cluster}"


@dataclass(frozen=True)
class Sequence:
    """The events of one stream and group. sequences: the numbers in the stream of the records 0, 1, ..."""

    stream: str
    group: str
    sequences: tuple[int, ...]
    events: tuple[Seen, ...]


def sequence_of(stream: str, group: str, acked: Iterable[Row], delivered: Iterable[Row], until_ns: int) -> Sequence:
    """Return what one stream shows to one group until the path has ended at `until_ns`."""
    reads = sorted((row for row in delivered if row.time_ns <= until_ns), key=lambda row: row.time_ns)
    read = {row.sequence for row in reads}  # was written before, also if the acknowledgement came after the end
    written = {row.sequence: row for row in acked if row.time_ns <= until_ns or row.sequence in read}
    by_record: dict[int, list[Row]] = {number: [] for number in written}
    for row in reads:
        by_record.setdefault(row.sequence, []).append(row)
    chosen = sorted(_chosen(written, by_record, reads))[:MOST]
    number = {sequence: n for n, sequence in enumerate(chosen)}
    events = [
        Seen("read", number[row.sequence], CLUSTER_NAMES[row.cluster], row.time_ns)
        for row in reads
        if row.sequence in number
    ]
    for sequence in chosen:
        first = min((row.time_ns for row in by_record[sequence]), default=until_ns)
        if (ack := written.get(sequence)) is not None:  # which may come after its first delivery
            at = min(ack.time_ns, first)
            events.append(Seen("written", number[sequence], CLUSTER_NAMES[ack.cluster], at))
    events.sort(key=lambda each: (each.time_ns, each.what != "written"))
    return Sequence(stream, group, tuple(chosen), tuple(events))


def _chosen(written: Mapping[int, Row], by_record: Mapping[int, list[Row]], reads: list[Row]) -> set[int]:
    """Return the first record of each run of records that were treated alike, and those that are out of order."""

    def treated(sequence: int) -> object:
        at = written.get(sequence)
        return at.cluster if at else None, tuple(row.cluster for row in by_record[sequence])

    alike = {next(iter(its)) for _, its in groupby(sorted(by_record), key=treated)}
    firsts = list(dict.fromkeys(row.sequence for row in reads))
    swapped = {number for pair in pairwise(firsts) if pair[0] > pair[1] for number in pair}
    return set(sorted(swapped)[:MOST]) or alike


def sequences_of(ledgers: Ledgers, until_ns: int) -> Iterator[Sequence]:
    """Return the sequences of all streams and groups. Transactions and clusters that are unknown are left out."""
    acked: dict[int, list[Row]] = {}
    delivered: dict[str, dict[int, list[Row]]] = {}
    for instance in ledgers.instances:
        columns, group = instance.rows.everything(), instance.meta.group
        of_clients = np.isin(columns.event, (ACKED, DELIVERED)) & np.isin(columns.cluster, (SOURCE, TARGET))
        rows = columns.take(of_clients)
        into = acked if group is None else delivered.setdefault(group, {})
        values = (rows.stream.tolist(), rows.sequence.tolist(), rows.cluster.tolist(), rows.time_ns.tolist())
        for stream, sequence, cluster, time_ns in zip(*values, strict=True):
            into.setdefault(stream, []).append(Row(sequence, cluster, time_ns))
    for group, streams in sorted(delivered.items()):
        for stream, reads in sorted(streams.items()):
            yield sequence_of(f"{stream:x}", group, acked.get(stream, ()), reads, until_ns)
