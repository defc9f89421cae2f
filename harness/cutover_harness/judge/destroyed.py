"""Records that a fault destroyed on purpose, which nothing could have delivered afterwards."""

from collections.abc import Sequence

import numpy as np

from cutover_harness.judge.model import Destroyed
from cutover_harness.judge.produced import Produced
from cutover_harness.ledger.columns import Columns, Mask
from cutover_harness.ledger.format import ACKED, CLUSTER_NAMES


def destroyed(
    found: Sequence[Destroyed], parts: Sequence[Columns], produced: Produced, topics: Sequence[str], since_ns: int
) -> Mask:
    """Return which records a fault destroyed when it deleted and recreated their topic.

    These are records acknowledged there before the deletion, and records that an idempotent producer took for written:
    its sequence numbers continue from the deleted log, so its first batches in the recreated one can be acknowledged
    as duplicates, without an offset. The latter count up to the producer's first offset in the partition; if there is
    none (acks=0, say), none of them counts.

    since_ns: when the run can have begun at the earliest: a time before it is a clock's mistake, and excuses nothing.
    parts: the rows of the producers' ledgers, one a process, their topics as numbers in `topics`.
    """
    gone = np.zeros(produced.record_index.size, np.bool_)
    code = {name: number for number, name in CLUSTER_NAMES.items()}
    for one in found:
        wanted = np.array([topic == one.topic for topic in topics] or [False])
        for rows in parts:
            acked = rows.take(wanted[rows.topic] & (rows.event == ACKED) & (rows.cluster == code[one.cluster]))
            ids = produced.record_index.ids(produced.record_index.stream_numbers(acked.stream), acked.sequence)[0]
            before = (acked.time_ns >= since_ns) & (acked.time_ns < one.until_ns)
            gone[ids[before | _unplaced(acked, one.until_ns)]] = True
    return gone


def _unplaced(acked: Columns, since_ns: int) -> Mask:
    """Return which acknowledgements have no offset and come before the first that has, in their partition."""
    after = acked.time_ns >= since_ns
    placed = after & (acked.offset >= 0)
    partitions, number = np.unique(acked.partition, return_inverse=True)
    first = np.full(len(partitions), -1, np.int64)  # before every time: nothing was placed
    for partition in range(len(partitions)):
        times = acked.time_ns[placed & (number == partition)]
        if len(times):
            first[partition] = times.min()
    earlier: Mask = after & (acked.offset < 0) & (acked.time_ns <= first[number])
    return earlier
